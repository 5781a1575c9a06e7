// The storage layer over a real etcd whose connection fails in every way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FaultProxy } from "@skiff/testkit/fault-proxy.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { CacheEvent } from "./cache-event.ts";
import { openStorage, type Storage } from "./open-storage.ts";
import type { ResourceCache } from "./resource-cache.ts";

const configMaps = findKind("", "configmaps");
assert.ok(configMaps);
const DEPS = { clock: realClock, log: silentLogger() };
const META = { uid: "u", resourceVersion: "", creationTimestamp: "2026-01-01T00:00:00Z" };

async function open(endpoint: string): Promise<Storage> {
  assert.ok(configMaps);
  const storage = openStorage({ servers: [endpoint], prefix: "/registry" }, [configMaps], DEPS);
  await storage.feed.synced();
  return storage;
}

const object = (name: string, value: string): KubeObject =>
  ({ metadata: { ...META, name, namespace: "d" }, data: { value } }) as KubeObject;

function kindOf(storage: Storage) {
  const [kind] = storage.kinds;
  assert.ok(kind);
  return kind;
}

function collect(cache: ResourceCache, since: number): { events: CacheEvent[]; ended: string[] } {
  const seen = { events: [] as CacheEvent[], ended: [] as string[] };
  const watcher = {
    scope: { type: "all" as const },
    onEvent: (event: CacheEvent) => void seen.events.push(event),
    end: (error: Error) => void seen.ended.push(error.message),
  };
  seen.events.push(...cache.watch(watcher, since));
  return seen;
}

test("every write reaches the cache exactly once and in order though the connection is cut again and again", async () => {
  await using etcd = await RealEtcd.start();
  await using proxy = await FaultProxy.start({ host: "127.0.0.1", port: etcd.port });
  await using watching = await open(`http://127.0.0.1:${proxy.port}`);
  await using writing = await open(etcd.endpoint);
  const cache = watching.objects.cacheOf(kindOf(watching));
  const seen = collect(cache, cache.revision);
  const kind = kindOf(writing);
  const revisions: number[] = [];
  for (let i = 0; i < 600; i++) {
    const key = `d/o${i % 7}`;
    const outcome = await writing.objects
      .write(kind, key, () => ({ type: "put", object: object(`o${i % 7}`, String(i)) }))
      .catch(async () => {
        const stored = await writing.objects.create(kind, key, object(`o${i % 7}`, String(i)));
        return { type: "put" as const, stored: stored as NonNullable<typeof stored> };
      });
    if (outcome.type === "put") revisions.push(outcome.stored.revision);
    if (i % 100 === 50) proxy.cut();
  }
  await waitFor("all events", () => seen.events.length >= revisions.length || seen.ended.length > 0);
  assert.deepEqual(seen.ended, []);
  assert.deepEqual(
    seen.events.map((event) => event.revision),
    revisions,
  );
});

test("a read sees the write before it, through another server and while the watch is held up", async () => {
  await using etcd = await RealEtcd.start();
  await using proxy = await FaultProxy.start({ host: "127.0.0.1", port: etcd.port });
  await using reading = await open(`http://127.0.0.1:${proxy.port}`);
  await using writing = await open(etcd.endpoint);
  const kind = kindOf(writing);
  for (let i = 0; i < 50; i++) {
    const stored = await writing.objects.create(kind, `d/r${i}`, object(`r${i}`, ""));
    const found = await reading.objects.get(kindOf(reading), `d/r${i}`);
    assert.equal(found?.revision, stored?.revision);
  }
  // A revision of a key outside the prefix never comes as an event: the tick brings the answer.
  await reading.kv.compareAndSwap("skiff/other", "0", "x", new AbortController().signal);
  assert.equal(await reading.objects.fresh(), true);
});

test("a compaction past the watch forces a relist, which ends watchers and tells observers the difference", async () => {
  await using etcd = await RealEtcd.start();
  await using proxy = await FaultProxy.start({ host: "127.0.0.1", port: etcd.port });
  await using watching = await open(`http://127.0.0.1:${proxy.port}`);
  await using writing = await open(etcd.endpoint);
  const kind = kindOf(writing);
  const cache = watching.objects.cacheOf(kindOf(watching));
  await writing.objects.create(kind, "d/old", object("old", "1"));
  await waitFor("the object", () => cache.get("d/old"));
  const changes: string[] = [];
  using _observer = cache.observe((event) => void changes.push(`${event.key} ${event.current ? "is" : "gone"}`));
  const seen = collect(cache, cache.revision);
  proxy.refuse(true);
  proxy.cut();
  await writing.objects.write(kind, "d/old", () => ({ type: "delete" }));
  const last = await writing.objects.create(kind, "d/new", object("new", "1"));
  await compact(etcd, last?.revision ?? 0);
  proxy.refuse(false);
  await waitFor("the relist", () => cache.get("d/new"));
  assert.equal(cache.get("d/old"), undefined);
  assert.equal(seen.ended.length, 1);
  assert.deepEqual(changes, ["d/old is", "d/old gone", "d/new is"]);
});

test("a compare-and-swap race loses no update", async () => {
  await using etcd = await RealEtcd.start();
  await using one = await open(etcd.endpoint);
  await using two = await open(etcd.endpoint);
  await one.objects.create(kindOf(one), "d/race", object("race", "0"));
  const increment = (storage: Storage) =>
    storage.objects.write(kindOf(storage), "d/race", (current) => {
      if (!current) throw new Error("gone");
      const next = current.copy() as KubeObject & { data: { value: string } };
      next.data.value = String(Number(next.data.value) + 1);
      return { type: "put", object: next };
    });
  await Promise.all(Array.from({ length: 32 }, (_, i) => increment(i % 2 ? one : two)));
  const found = await one.objects.get(kindOf(one), "d/race");
  assert.ok(found);
  assert.deepEqual((found.object() as KubeObject & { data: object }).data, { value: "32" });
});

test("objects with a time to live vanish, and the cache hears of it", async () => {
  await using etcd = await RealEtcd.start();
  await using storage = await open(etcd.endpoint);
  const signal = AbortSignal.timeout(500);
  // keepAlive revokes its lease when it ends, which is how an expiry looks to the cache.
  await storage.kv.keepAlive("configmaps/d/leased", '{"metadata":{"name":"leased"}}', 60, signal);
  const cache = storage.objects.cacheOf(kindOf(storage));
  await waitFor("the deletion", async () => (await storage.objects.fresh()) && cache.get("d/leased") === undefined);
});

test("writes acknowledged before etcd is killed are there after its restart, and watchers miss nothing", async () => {
  await using etcd = await RealEtcd.start();
  await using storage = await open(etcd.endpoint);
  const kind = kindOf(storage);
  const cache = storage.objects.cacheOf(kind);
  const seen = collect(cache, cache.revision);
  const acknowledged: number[] = [];
  const write = async (i: number) => {
    const stored = await storage.objects.create(kind, `d/k${i}`, object(`k${i}`, "")).catch(() => undefined);
    if (stored) acknowledged.push(stored.revision);
  };
  for (let round = 0; round < 3; round++) {
    const writes = Array.from({ length: 40 }, (_, i) => write(round * 40 + i));
    await Promise.all(writes.slice(0, 20));
    await etcd.kill();
    await Promise.all(writes);
    await assert.rejects(storage.ping(), { name: "GrpcError" });
    await etcd.restart();
  }
  await waitFor("etcd to answer again", () => storage.objects.fresh());
  assert.ok(acknowledged.length >= 60);
  const revisions = seen.events.map((event) => event.revision);
  assert.deepEqual(seen.ended, []);
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].toSorted((a, b) => a - b),
    "once each and in order",
  );
  for (const revision of acknowledged) assert.ok(revisions.includes(revision), `revision ${revision} was lost`);
});

async function compact(etcd: RealEtcd, revision: number): Promise<void> {
  const { execFileSync } = await import("node:child_process");
  const env = { PATH: "/usr/bin:/bin", ETCDCTL_API: "3" };
  execFileSync("etcdctl", [`--endpoints=${etcd.endpoint}`, "compact", String(revision)], { env, stdio: "pipe" });
}
