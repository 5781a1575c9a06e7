// Assumed pods, sums per node, and snapshots that copy little.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { podInfoOf } from "../framework/pod-info.ts";
import { makeNode, makePod } from "../testing/objects.ts";
import { SchedulerCache } from "./scheduler-cache.ts";

const info = (name: string, cpu = "1") => podInfoOf(makePod(name, {}, { cpu }));

function make(...nodes: string[]) {
  const clock = new FakeClock();
  const cache = new SchedulerCache(clock);
  for (const name of nodes) cache.setNode(makeNode(name));
  return { clock, cache };
}

test("snapshot copies the nodes that changed and no others, and stays as it was", () => {
  const { cache } = make("a", "b");
  const snapshot = cache.snapshot();
  const [a, b] = [snapshot.get("a"), snapshot.get("b")];
  cache.assume(info("p"), "a");
  assert.equal(a?.requested.cpu, undefined);
  cache.snapshot();
  assert.notEqual(snapshot.get("a"), a);
  assert.equal(snapshot.get("a")?.requested.cpu, 1000);
  assert.equal(snapshot.get("b"), b);
});

test("a bound pod takes the place of the assumed one, on whatever node it is", () => {
  const { cache } = make("a", "b");
  cache.assume(info("p"), "a");
  cache.setPod(info("p", "2"), "b");
  assert.equal(cache.assumedCount, 0);
  cache.forget("default/p");
  const snapshot = cache.snapshot();
  assert.equal(snapshot.get("a")?.requested.cpu, 0);
  assert.equal(snapshot.get("b")?.requested.cpu, 2000);
  cache.removePod("default/p");
  assert.equal(cache.snapshot().get("b")?.pods.size, 0);
});

test("an assumed pod is forgotten when its binding fails, or was never seen", async () => {
  const { clock, cache } = make("a");
  cache.assume(info("p"), "a");
  cache.forget("default/p");
  assert.equal(cache.podCount, 0);
  cache.assume(info("q"), "a");
  await clock.advance(3_600_000);
  assert.deepEqual(cache.expireAssumed(), []);
  cache.finishBinding("default/q");
  await clock.advance(900_000);
  assert.deepEqual(cache.expireAssumed(), ["default/q"]);
  assert.equal(cache.snapshot().get("a")?.pods.size, 0);
});

test("pods of a node that is gone are kept until they go, and come back with it", () => {
  const { cache } = make("a", "b");
  cache.setPod(info("p"), "a");
  cache.removeNode("a");
  assert.deepEqual(
    cache.snapshot().nodes.map((node) => node.name),
    ["b"],
  );
  cache.setNode(makeNode("a"));
  assert.equal(cache.snapshot().get("a")?.requested.cpu, 1000);
});

test("snapshot lets zones take turns and counts the nodes that have an image", () => {
  const { cache } = make();
  for (const [name, zone] of [
    ["a1", "a"],
    ["a2", "a"],
    ["b1", "b"],
  ] as const) {
    const node = makeNode(name, { labels: { "topology.kubernetes.io/zone": zone } });
    cache.setNode({ ...node, status: { ...node.status, images: [{ names: [`only-${zone}:1`], sizeBytes: 1 }] } });
  }
  const snapshot = cache.snapshot();
  assert.deepEqual(
    snapshot.nodes.map((node) => node.name),
    ["a1", "b1", "a2"],
  );
  assert.equal(snapshot.nodesWithImage("only-a:1"), 2);
  cache.removeNode("a1");
  assert.equal(cache.snapshot().nodesWithImage("only-a:1"), 1);
});
