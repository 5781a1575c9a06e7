// The client against the real apiserver over the real etcd: resume across cuts and crashes, without a lost or doubled event.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { configMaps } from "@skiff/api/resource-ref.ts";
import type { ConfigMap } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FaultProxy } from "@skiff/testkit/fault-proxy.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { loadKubeconfig } from "./config.ts";
import { InformerFactory } from "./informer-factory.ts";
import { RestClient } from "./rest-client.ts";

const deps = { clock: realClock, log: silentLogger() };
const { signal } = new AbortController();
let etcd: RealEtcd;
let server: RealApiServer;
let proxy: FaultProxy;
let direct: RestClient;
let proxied: RestClient;

before(async () => {
  etcd = await RealEtcd.start();
  server = await RealApiServer.start(etcd);
  proxy = await FaultProxy.start({ host: "127.0.0.1", port: server.port });
  const config = await loadKubeconfig(server.kubeconfig);
  direct = new RestClient(config, { userAgent: "direct" }, deps);
  proxied = new RestClient({ ...config, server: `https://127.0.0.1:${proxy.port}` }, { userAgent: "proxied" }, deps);
});

after(async () => {
  for (const part of [proxied, direct, proxy, server, etcd]) await part?.[Symbol.asyncDispose]();
});

/** Follows the handler calls and fails on any that cannot follow the one before. */
class Mirror {
  readonly versions = new Map<string, number>();
  readonly faults: string[] = [];

  onAdd(object: Readonly<ConfigMap>): void {
    const { name, resourceVersion } = object.metadata;
    if (this.versions.has(name)) this.faults.push(`${name} added twice`);
    this.versions.set(name, Number(resourceVersion));
  }

  onUpdate(object: Readonly<ConfigMap>, old: Readonly<ConfigMap>): void {
    const { name, resourceVersion } = object.metadata;
    const known = this.versions.get(name);
    if (known !== Number(old.metadata.resourceVersion)) this.faults.push(`${name} updated from what was not there`);
    if ((known ?? 0) >= Number(resourceVersion)) this.faults.push(`${name} went back`);
    this.versions.set(name, Number(resourceVersion));
  }

  onDelete(object: Readonly<ConfigMap>): void {
    if (!this.versions.delete(object.metadata.name)) this.faults.push(`${object.metadata.name} deleted twice`);
  }
}

test("informer mirrors every change through cuts, refusals and a kill -9 of the apiserver", async () => {
  const stop = new AbortController();
  const factory = new InformerFactory(proxied, deps);
  const mirror = new Mirror();
  const informer = factory.of(configMaps, { namespace: "default" });
  informer.addHandler({
    onAdd: (object) => mirror.onAdd(object),
    onUpdate: (object, old) => mirror.onUpdate(object, old),
    onDelete: (object) => mirror.onDelete(object),
  });
  const running = factory.run(stop.signal);
  await factory.synced(signal);
  for (let round = 0; round < 60; round++) {
    await change(round);
    if (round % 10 === 5) proxy.cut();
    if (round === 20) proxy.refuse(true);
    if (round === 30) proxy.refuse(false);
    if (round === 40) {
      await server.stop("SIGKILL");
      await server.restart();
    }
  }
  const wanted = (await direct.of(configMaps).list({ namespace: "default" }, { signal })).items;
  const expected = wanted.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).toSorted();
  await waitFor("the mirror to catch up", () => {
    const seen = [...mirror.versions].map(([name, version]) => `${name}@${version}`).toSorted();
    assert.deepEqual(seen, expected);
    return true;
  });
  assert.deepEqual(mirror.faults, []);
  assert.equal(informer.lister.list("default").length, expected.length);
  stop.abort();
  await running;
});

/** Creates, updates and deletes a few of twelve objects, by turns. */
async function change(round: number): Promise<void> {
  const api = direct.of(configMaps);
  const name = `map-${round % 12}`;
  const present = (await api.list({ namespace: "default" }, { signal })).items.find(
    (item) => item.metadata.name === name,
  );
  if (!present) await api.create("default", { metadata: { name }, data: { round: String(round) } }, { signal });
  else if (round % 3 === 0) await api.delete("default", name, {}, { signal });
  else await api.update({ ...present, data: { round: String(round) } }, { signal });
}

test("a stalled server costs a request its time limit, not more", { timeout: 30_000 }, async () => {
  proxy.stall();
  const stalled = proxied.of(configMaps).list({}, { signal, timeoutMs: 200 });
  await assert.rejects(stalled, { name: "ConnectionError", code: "ETIMEDOUT" });
  proxy.resume();
  await proxied.of(configMaps).list({}, { signal });
});
