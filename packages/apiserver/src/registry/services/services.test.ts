// Allocation of addresses and ports against a compare-and-swap store in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { alreadyExists } from "@skiff/api/errors.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { IPAddress, Service } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Kv, KvRecord } from "../../storage/kv.ts";
import type { ObjectReader, ObjectWriter } from "../object-access.ts";
import { FORMER_RECORD } from "./address-keeper.ts";
import { createServiceHooks } from "./index.ts";
import { ipRange } from "./ip-range.ts";
import { pickFree } from "./number-range.ts";
import { planRepair } from "./repair.ts";
import { planAddressRepair } from "./repair-addresses.ts";
import { addressObject } from "./service-addresses.ts";

const signal = new AbortController().signal;

function memoryKv(): Kv {
  const records = new Map<string, KvRecord>();
  let revision = 0;
  const isAt = (key: string, expected: string) => (records.get(key)?.revision ?? "0") === expected;
  return {
    get: async (key) => records.get(key),
    async compareAndSwap(key, expected, value) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isAt(key, expected)) return false;
      records.set(key, { value, revision: String(++revision) });
      return true;
    },
    remove: async (key, expected) => isAt(key, expected) && records.delete(key),
    list: async () => [],
    keepAlive: async () => {},
  };
}

/** What two apiservers share: the records and the IPAddress objects. */
function memoryStore(kv = memoryKv()) {
  const addresses = new Map<string, IPAddress>();
  const store = {
    kv,
    addresses,
    services: [] as Service[],
    get: (ref: ResourceRef, _namespace: string, name: string) =>
      ref.plural === "ipaddresses" ? addresses.get(name) : undefined,
    getLatest: async (ref: ResourceRef, namespace: string, name: string) => store.get(ref, namespace, name),
    list: (ref: ResourceRef) => (ref.plural === "services" ? store.services : []),
    async create(ref: ResourceRef, object: IPAddress) {
      await new Promise((resolve) => setImmediate(resolve));
      if (addresses.has(object.metadata.name)) throw alreadyExists(ref, object.metadata.name);
      const made = structuredClone(object);
      made.metadata.uid = `uid-${addresses.size}-${object.metadata.name}`;
      addresses.set(object.metadata.name, made);
      return made;
    },
    async delete(_ref: ResourceRef, _namespace: string, name: string, _signal: AbortSignal, uid?: string) {
      if (addresses.get(name)?.metadata.uid === uid) addresses.delete(name);
    },
  };
  return store;
}

type Store = ReturnType<typeof memoryStore>;

function hooksOn(store: Store, clusterIpRange = "10.96.0.0/16") {
  const [reader, writer] = [store as object as ObjectReader, store as object as ObjectWriter];
  const common = { kv: store.kv, reader, writer, metrics: new MetricsRegistry(), clock: realClock };
  const deps = { ...common, clusterIpRange, nodePortRange: "30000-32767", log: silentLogger() };
  const hooks = createServiceHooks(deps).hooks[0];
  assert.ok(hooks?.beforeCreate && hooks.beforeUpdate && hooks.afterUpdate && hooks.afterDelete);
  return {
    create: hooks.beforeCreate,
    update: hooks.beforeUpdate,
    updated: hooks.afterUpdate,
    gone: hooks.afterDelete,
  };
}

function service(spec: Service["spec"]): Service {
  const metadata = { name: "web", namespace: "default", uid: "u", resourceVersion: "1", creationTimestamp: "" };
  return { metadata, spec: { selector: { app: "web" }, ports: [{ port: 80, protocol: "TCP" }], ...spec } };
}

test("createServiceHooks gives every Service of two apiservers an address of its own", async () => {
  const store = memoryStore();
  const [one, two] = [hooksOn(store), hooksOn(store)];
  const made = Array.from({ length: 40 }, () => service({ type: "NodePort" }));
  await Promise.all(made.map((s, at) => (at % 2 ? one : two).create(s, false, signal)));
  assert.equal(new Set(made.map((s) => s.spec.clusterIP)).size, 40);
  assert.equal(new Set(made.map((s) => s.spec.ports?.[0]?.nodePort)).size, 40);
  assert.deepEqual(made[0]?.spec.ipFamilies, ["IPv4"]);
});

test("createServiceHooks refuses a taken address and takes it again after its Service is gone", async () => {
  const { create, gone } = hooksOn(memoryStore());
  const first = service({ clusterIP: "10.96.0.10" });
  await create(first, false, signal);
  await assert.rejects(create(service({ clusterIP: "10.96.0.10" }), false, signal), /provided IP is already allocated/);
  await gone(first, signal);
  await create(service({ clusterIP: "10.96.0.10" }), false, signal);
  await assert.rejects(create(service({ clusterIP: "10.97.0.1" }), false, signal), /not in the valid range/);
});

test("createServiceHooks undoes what it took when the port is refused", async () => {
  const store = memoryStore();
  const { create } = hooksOn(store);
  const bad = service({ type: "NodePort", ports: [{ port: 80, nodePort: 80 }] });
  await assert.rejects(
    create(bad, false, signal),
    /spec.ports\[0\].nodePort: Invalid value: 80: provided port is not in/,
  );
  assert.equal(store.addresses.size, 0);
});

test("createServiceHooks takes nothing in a dry run", async () => {
  const store = memoryStore();
  const dry = service({ type: "NodePort" });
  assert.equal(await hooksOn(store).create(dry, true, signal), undefined);
  assert.ok(dry.spec.clusterIP);
  assert.equal(store.addresses.size, 0);
  assert.equal(await store.kv.get("ranges/servicenodeports", signal), undefined);
});

test("createServiceHooks releases node ports when the type becomes ClusterIP", async () => {
  const { create, update, updated } = hooksOn(memoryStore());
  const before = service({ type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] });
  await create(before, false, signal);
  const after = { ...before, spec: { ...before.spec, type: "ClusterIP", ports: [{ port: 80 }] } };
  await update(after, before, false, signal);
  await updated(after, before, signal);
  await create(service({ type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] }), false, signal);
});

test("createServiceHooks lets TCP and UDP of one Service share a node port", async () => {
  const ports = [
    { port: 53, protocol: "TCP" },
    { port: 53, protocol: "UDP" },
  ];
  const dns = service({ type: "NodePort", ports });
  await hooksOn(memoryStore()).create(dns, false, signal);
  assert.equal(dns.spec.ports?.[0]?.nodePort, dns.spec.ports?.[1]?.nodePort);
});

test("createServiceHooks leaves headless and ExternalName Services without address", async () => {
  const { create } = hooksOn(memoryStore());
  const headless = service({ clusterIP: "None", selector: {} });
  await create(headless, false, signal);
  assert.deepEqual(headless.spec.clusterIPs, ["None"]);
  assert.equal(headless.spec.ipFamilyPolicy, "RequireDualStack");
  const external = service({ type: "ExternalName", externalName: "a.example" });
  await create(external, false, signal);
  assert.equal(external.spec.clusterIP, undefined);
});

test("pickFree prefers the upper band and falls back to the lower one", () => {
  const range = ipRange("10.0.0.0/24");
  assert.equal(range.dynamicFrom, 16);
  assert.equal(
    pickFree(new Set(), range, () => 0),
    16,
  );
  const upper = new Set(Array.from({ length: 254 - 16 }, (_, at) => at + 16));
  assert.equal(
    pickFree(upper, range, () => 0),
    0,
  );
});

test("planRepair frees an offset only after three rounds without holder", () => {
  let rounds: ReadonlyMap<number, number> = new Map();
  for (let round = 1; round <= 3; round++) {
    const plan = planRepair(new Set([5]), new Set([7]), rounds);
    assert.deepEqual([plan.add, plan.release], [[7], []]);
    rounds = plan.unheldRounds;
  }
  assert.deepEqual(planRepair(new Set([5]), new Set([7]), rounds).release, [5]);
});

test("createServiceHooks claims what older records hold before it gives anything away", async () => {
  const store = memoryStore();
  await store.kv.compareAndSwap(FORMER_RECORD, "0", '{"range":"10.96.0.0/30","used":[0,1]}', signal);
  store.services = [service({ clusterIP: "10.96.0.1" })];
  const next = service({});
  await hooksOn(store, "10.96.0.0/29").create(next, false, signal);
  assert.notEqual(next.spec.clusterIP, "10.96.0.1");
  assert.deepEqual([...store.addresses.keys()].sort(), ["10.96.0.1", next.spec.clusterIP].sort());
  assert.equal(await store.kv.get(FORMER_RECORD, signal), undefined);
});

test("planAddressRepair makes what is missing, and removes what leaked once its Service had time to appear", () => {
  const held = service({ clusterIP: "10.96.0.1", clusterIPs: ["10.96.0.1", "fd00::1"] });
  const made = "2026-01-01T00:00:00Z";
  const object = (name: string, owner = held) => {
    const { metadata, spec } = addressObject(owner, name);
    return { metadata: { uid: name, resourceVersion: "", creationTimestamp: made, name, ...metadata }, spec };
  };
  const other = service({ clusterIP: "10.96.0.9" });
  other.metadata.name = "other";
  const objects = [object("10.96.0.1", other), object("10.96.0.7")];
  const at = (ms: number) => planAddressRepair([held], objects, () => true, Date.parse(made) + ms);
  const early = at(30_000);
  // An object in another's name is made anew at once.
  assert.deepEqual(early.remove, [objects[0]]);
  assert.deepEqual(
    early.create.map(({ address }) => address),
    ["10.96.0.1", "fd00::1"],
  );
  assert.deepEqual(at(61_000).remove, objects);
  const [mine, twin] = [object("10.96.0.1"), { ...held, metadata: { ...held.metadata, name: "twin" } }];
  const double = planAddressRepair([twin, held], [mine, object("fd00::1")], () => true, 0);
  assert.deepEqual([double.create, double.remove], [[], []]);
  assert.deepEqual(
    double.problems.map(({ service: { metadata }, address, trouble }) => `${metadata.name} ${address} ${trouble}`),
    ["twin 10.96.0.1 shared", "twin fd00::1 shared"],
  );
});
