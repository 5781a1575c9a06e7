// Order, back-off, gates, and which event brings which pod back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@skiff/client/testing/settle.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import type { ClusterEvent } from "../framework/cluster-event.ts";
import { Framework } from "../framework/framework.ts";
import { podInfoOf } from "../framework/pod-info.ts";
import { DEFAULT_PLUGINS } from "../plugins/index.ts";
import { makeNode, makePod } from "../testing/objects.ts";
import { SchedulingQueue } from "./scheduling-queue.ts";

const { signal } = new AbortController();
const FIT = new Set(["NodeResourcesFit"]);
const AFFINITY = new Set(["NodeAffinity"]);

function make() {
  const clock = new FakeClock();
  const framework = new Framework(DEFAULT_PLUGINS, { client: { of: () => assert.fail() } });
  const queue = new SchedulingQueue(framework, {}, clock);
  const names = async (count: number) => {
    const popped: string[] = [];
    for (let i = 0; i < count; i++) popped.push((await queue.pop(signal)).info.pod.metadata.name);
    return popped;
  };
  return { clock, queue, names };
}

const podGone: ClusterEvent = { name: "AssignedPod/Delete", pod: podInfoOf(makePod("gone", {}, { cpu: "1" })) };

test("scheduling queue pops by priority, then by age", async () => {
  const { clock, queue, names } = make();
  queue.add(makePod("first"));
  await clock.advance(1);
  queue.add(makePod("second"));
  queue.add(makePod("urgent", { priority: 10 }));
  assert.deepEqual(await names(3), ["urgent", "first", "second"]);
});

test("scheduling queue brings a refused pod back for an event that concerns its refusers only, after its back-off", async () => {
  const { clock, queue } = make();
  queue.add(makePod("p", {}, { cpu: "1" }));
  queue.addUnschedulable(await queue.pop(signal), FIT);
  queue.move({ name: "Node/UpdateLabels", node: makeNode("n") });
  queue.move({ name: "Node/Add", node: makeNode("small", { allocatable: { cpu: "500m" } }) });
  assert.deepEqual(queue.sizes(), { active: 0, backoff: 0, unschedulable: 1, gated: 0 });
  queue.move(podGone);
  assert.deepEqual(queue.sizes(), { active: 0, backoff: 1, unschedulable: 0, gated: 0 });
  await clock.advance(999);
  queue.flushBackoff();
  assert.equal(queue.sizes().active, 0);
  await clock.advance(1);
  queue.flushBackoff();
  assert.equal(queue.sizes().active, 1);
});

test("scheduling queue does not miss an event that comes while the pod is tried", async () => {
  const { queue } = make();
  queue.add(makePod("p", { nodeSelector: { disk: "ssd" } }));
  const popped = await queue.pop(signal);
  queue.move({ name: "Node/Add", node: makeNode("n", { labels: { disk: "ssd" } }) });
  queue.addUnschedulable(popped, AFFINITY);
  assert.equal(queue.sizes().backoff, 1);
});

test("scheduling queue doubles the back-off up to ten seconds", async () => {
  const { clock, queue } = make();
  queue.add(makePod("p"));
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    queue.addFailed(await queue.pop(signal));
    await clock.advance(seconds * 1000 - 1);
    queue.flushBackoff();
    assert.equal(queue.sizes().active, 0, `before ${seconds} s`);
    await clock.advance(1);
    queue.flushBackoff();
    assert.equal(queue.sizes().active, 1, `after ${seconds} s`);
  }
});

test("scheduling queue tries a forgotten pod again after five minutes", async () => {
  const { clock, queue } = make();
  queue.add(makePod("p"));
  queue.addUnschedulable(await queue.pop(signal), FIT);
  await clock.advance(299_999);
  queue.flushUnschedulable();
  assert.equal(queue.sizes().unschedulable, 1);
  await clock.advance(1);
  queue.flushUnschedulable();
  assert.equal(queue.sizes().active, 1);
});

test("scheduling queue holds gated pods until their gates are gone", async () => {
  const { queue, names } = make();
  queue.add(makePod("p", { schedulingGates: [{ name: "wait" }] }));
  queue.move({ name: "Node/Add", node: makeNode("n") });
  assert.deepEqual(queue.sizes(), { active: 0, backoff: 0, unschedulable: 0, gated: 1 });
  queue.update(makePod("p"));
  assert.deepEqual(await names(1), ["p"]);
});

test("scheduling queue leaves a refused pod alone when only its status changed", async () => {
  const { queue } = make();
  queue.add(makePod("p"));
  queue.addUnschedulable(await queue.pop(signal), FIT);
  queue.update(makePod("p"), false);
  assert.equal(queue.sizes().unschedulable, 1);
  queue.update(makePod("p", {}, { cpu: "10m" }), true);
  assert.equal(queue.sizes().backoff, 1);
});

test("scheduling queue wakes who waits, and lets them go on abort", async () => {
  const { queue } = make();
  const stop = new AbortController();
  const waiting = queue.pop(stop.signal);
  await settle();
  queue.add(makePod("p"));
  assert.equal((await waiting).info.key, "default/p");
  const aborted = queue.pop(stop.signal);
  stop.abort(new Error("stop"));
  await assert.rejects(aborted, /stop/);
});
