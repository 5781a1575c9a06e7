// Allocation of addresses and ports against a compare-and-swap store in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import type { Kv, KvRecord } from "../../storage/kv.ts";
import type { ObjectReader } from "../object-access.ts";
import { createServiceHooks } from "./index.ts";
import { ipRange } from "./ip-range.ts";
import { pickFree } from "./number-range.ts";
import { planRepair } from "./repair.ts";

const signal = new AbortController().signal;

function memoryKv(): Kv {
  const records = new Map<string, KvRecord>();
  let revision = 0;
  return {
    get: async (key) => records.get(key),
    async compareAndSwap(key, expected, value) {
      await new Promise((resolve) => setImmediate(resolve));
      if ((records.get(key)?.revision ?? "0") !== expected) return false;
      records.set(key, { value, revision: String(++revision) });
      return true;
    },
    list: async () => [],
    keepAlive: async () => {},
  };
}

function hooksOn(kv: Kv, clusterIpRange = "10.96.0.0/16") {
  const reader = { list: () => [] } as unknown as ObjectReader;
  const deps = { kv, reader, clusterIpRange, nodePortRange: "30000-32767", clock: realClock, log: silentLogger() };
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
  const kv = memoryKv();
  const [one, two] = [hooksOn(kv), hooksOn(kv)];
  const made = Array.from({ length: 40 }, () => service({ type: "NodePort" }));
  await Promise.all(made.map((s, at) => (at % 2 ? one : two).create(s, false, signal)));
  assert.equal(new Set(made.map((s) => s.spec.clusterIP)).size, 40);
  assert.equal(new Set(made.map((s) => s.spec.ports?.[0]?.nodePort)).size, 40);
  assert.deepEqual(made[0]?.spec.ipFamilies, ["IPv4"]);
});

test("createServiceHooks refuses a taken address and takes it again after its Service is gone", async () => {
  const { create, gone } = hooksOn(memoryKv());
  const first = service({ clusterIP: "10.96.0.10" });
  await create(first, false, signal);
  await assert.rejects(create(service({ clusterIP: "10.96.0.10" }), false, signal), /provided IP is already allocated/);
  await gone(first, signal);
  await create(service({ clusterIP: "10.96.0.10" }), false, signal);
  await assert.rejects(create(service({ clusterIP: "10.97.0.1" }), false, signal), /not in the valid range/);
});

test("createServiceHooks undoes what it took when the port is refused", async () => {
  const kv = memoryKv();
  const { create } = hooksOn(kv);
  const bad = service({ type: "NodePort", ports: [{ port: 80, nodePort: 80 }] });
  await assert.rejects(
    create(bad, false, signal),
    /spec.ports\[0\].nodePort: Invalid value: 80: provided port is not in/,
  );
  assert.deepEqual(JSON.parse((await kv.get("ranges/serviceips", signal))?.value ?? "{}").used, []);
});

test("createServiceHooks takes nothing in a dry run", async () => {
  const kv = memoryKv();
  const dry = service({ type: "NodePort" });
  assert.equal(await hooksOn(kv).create(dry, true, signal), undefined);
  assert.ok(dry.spec.clusterIP);
  assert.equal(await kv.get("ranges/serviceips", signal), undefined);
});

test("createServiceHooks releases node ports when the type becomes ClusterIP", async () => {
  const { create, update, updated } = hooksOn(memoryKv());
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
  await hooksOn(memoryKv()).create(dns, false, signal);
  assert.equal(dns.spec.ports?.[0]?.nodePort, dns.spec.ports?.[1]?.nodePort);
});

test("createServiceHooks leaves headless and ExternalName Services without address", async () => {
  const { create } = hooksOn(memoryKv());
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
