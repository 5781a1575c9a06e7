// Lists, watches, resume and relist against a scripted server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "@skiff/api/errors.ts";
import { configMaps } from "@skiff/api/resource-ref.ts";
import type { ConfigMap } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { ConnectionError } from "./connection-error.ts";
import { Informer } from "./informer.ts";
import type { ListWatch } from "./reflector.ts";
import type { ListQuery, WatchEvent, WatchQuery } from "./resource-client.ts";
import { settle } from "./testing/settle.ts";

function item(name: string, version: number, uid = name): ConfigMap {
  const metadata = { name, namespace: "ns", uid, resourceVersion: String(version), creationTimestamp: "" };
  return { metadata, data: { parity: version % 2 ? "odd" : "even" } };
}

/** A server whose lists and watch ends the test decides. */
class ScriptedServer implements ListWatch<ConfigMap> {
  readonly ref = configMaps;
  items: ConfigMap[] = [];
  version = 1;
  readonly lists: ListQuery[] = [];
  readonly watches: WatchQuery[] = [];
  pageSize = Number.POSITIVE_INFINITY;
  private send: (event: WatchEvent<ConfigMap> | Error | "end") => void = () => {};

  async list(query: ListQuery) {
    this.lists.push(query);
    const start = Number(query.continue ?? 0);
    const end = query.limit ? start + this.pageSize : this.items.length;
    const metadata = {
      resourceVersion: String(this.version),
      ...(end < this.items.length ? { continue: String(end) } : {}),
    };
    return { metadata, items: this.items.slice(start, end) };
  }

  async *watch(query: WatchQuery, { signal }: { signal: AbortSignal }) {
    this.watches.push(query);
    const queue: (WatchEvent<ConfigMap> | Error | "end")[] = [];
    let wake = () => {};
    this.send = (event) => {
      queue.push(event);
      wake();
    };
    signal.addEventListener("abort", () => this.send(new Error("aborted")));
    for (;;) {
      const next = queue.shift();
      if (next === "end") return;
      if (next instanceof Error) throw next;
      if (next) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  async emit(...events: (WatchEvent<ConfigMap> | Error | "end")[]): Promise<void> {
    for (const event of events) this.send(event);
    await settle();
  }
}

async function start(items: ConfigMap[], version: number) {
  const server = new ScriptedServer();
  server.items = items;
  server.version = version;
  const clock = new FakeClock();
  const indexers = { parity: (object: Readonly<ConfigMap>) => [object.data?.parity ?? ""] };
  const informer = new Informer<ConfigMap>(server, { indexers }, { clock, log: silentLogger() });
  const calls: string[] = [];
  const describe = (object: Readonly<ConfigMap>) => `${object.metadata.name}@${object.metadata.resourceVersion}`;
  informer.addHandler({
    onAdd: (object) => calls.push(`add ${describe(object)}`),
    onUpdate: (object, old) => calls.push(`update ${describe(old)} ${describe(object)}`),
    onDelete: (object) => calls.push(`delete ${describe(object)}`),
  });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  await settle();
  const finish = async () => {
    stop.abort();
    await running;
  };
  return { server, clock, informer, calls, finish };
}

test("informer lists from the cache, then watches with bookmarks from the list's version", async () => {
  const { server, calls, finish } = await start([item("a", 3)], 7);
  await server.emit({ type: "ADDED", object: item("b", 8) }, { type: "MODIFIED", object: item("a", 9) });
  await server.emit({ type: "DELETED", object: item("b", 10) });
  assert.deepEqual(server.lists, [{ resourceVersion: "0" }]);
  assert.equal(server.watches[0]?.resourceVersion, "7");
  assert.equal(server.watches[0]?.allowWatchBookmarks, true);
  assert.deepEqual(calls, ["add a@3", "add b@8", "update a@3 a@9", "delete b@10"]);
  await finish();
});

test("informer resumes a broken watch from the last event or bookmark, without a list", async () => {
  const { server, clock, calls, finish } = await start([], 5);
  await server.emit({ type: "ADDED", object: item("a", 6) });
  await server.emit(new ConnectionError("reset", "ECONNRESET"));
  await clock.advance(1000);
  await server.emit({ type: "BOOKMARK", object: item("", 20) }, "end");
  await server.emit(new ApiError(500, "InternalError", "starting"));
  await clock.advance(1000);
  assert.deepEqual(
    server.watches.map((query) => query.resourceVersion),
    ["5", "6", "20", "20"],
  );
  assert.equal(server.lists.length, 1);
  assert.deepEqual(calls, ["add a@6"]);
  await finish();
});

test("informer relists after 410, newest state in pages, and tells only the differences", async () => {
  const { server, clock, calls, finish } = await start(
    [item("a", 1), item("b", 2), item("c", 3), item("d", 4, "d1")],
    4,
  );
  calls.length = 0;
  server.items = [item("a", 1), item("c", 9), item("d", 10, "d2"), item("e", 11)];
  server.version = 12;
  server.pageSize = 3;
  await server.emit(new ApiError(410, "Expired", "too old"));
  await clock.advance(1000);
  assert.deepEqual(server.lists.slice(1), [{ limit: 500 }, { limit: 500, continue: "3" }]);
  assert.deepEqual(calls, ["delete b@2", "update c@3 c@9", "delete d@4", "add d@10", "add e@11"]);
  assert.equal(server.watches.at(-1)?.resourceVersion, "12");
  await finish();
});

test("informer keeps its indexes and replays what is there to late handlers", async () => {
  const { server, informer, finish } = await start([item("a", 1), item("b", 2)], 2);
  const names = (value: string) => informer.lister.byIndex("parity", value).map((object) => object.metadata.name);
  assert.deepEqual([names("odd"), names("even")], [["a"], ["b"]]);
  await server.emit({ type: "MODIFIED", object: item("a", 4) });
  assert.deepEqual([names("odd"), names("even")], [[], ["b", "a"]]);
  assert.deepEqual(informer.lister.list("other"), []);
  assert.equal(informer.lister.get("ns", "a")?.metadata.resourceVersion, "4");
  const late: string[] = [];
  informer.addHandler({ onAdd: (object) => late.push(object.metadata.name) });
  assert.deepEqual(late, ["b", "a"]);
  await finish();
});

test("informer survives a handler that throws, and backs off to 30 s at most", async () => {
  const { server, clock, informer, calls, finish } = await start([], 1);
  informer.addHandler({
    onAdd() {
      throw new Error("broken handler");
    },
  });
  await server.emit({ type: "ADDED", object: item("a", 2) });
  assert.deepEqual(calls, ["add a@2"]);
  for (let i = 0; i < 20; i++) {
    const before = server.watches.length;
    await server.emit(new ConnectionError("refused", "ECONNREFUSED"));
    await clock.advance(30_000);
    assert.equal(server.watches.length, before + 1);
  }
  await finish();
});
