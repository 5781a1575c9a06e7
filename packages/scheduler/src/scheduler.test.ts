// The loop from informer events to bindings, conditions and events.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "@skiff/api/errors.ts";
import type { Pod } from "@skiff/api/types.ts";
import { ObjectStore } from "@skiff/client/object-store.ts";
import { settle } from "@skiff/client/testing/settle.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { SchedulerCache } from "./cache/scheduler-cache.ts";
import { DecisionLog } from "./decision-log.ts";
import { nodeHandler, podHandler } from "./event-handlers.ts";
import { FailureReporter, nextCondition } from "./failure-reporter.ts";
import { Framework } from "./framework/framework.ts";
import type { FrameworkHandle } from "./framework/plugin.ts";
import { SchedulerMetrics } from "./metrics.ts";
import { DEFAULT_PLUGINS } from "./plugins/index.ts";
import { SchedulingQueue } from "./queue/scheduling-queue.ts";
import { Scheduler } from "./scheduler.ts";
import { makeNode, makePod } from "./testing/objects.ts";

/** A scheduler over an apiserver that holds pods and answers bindings as the test wants. */
function start() {
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const log = silentLogger();
  const store = new ObjectStore<Pod>();
  const bindings: string[] = [];
  const patches: unknown[] = [];
  const events: string[] = [];
  const answers: (Error | Promise<void>)[] = [];
  const api = {
    async createSubresource(
      _namespace: string,
      name: string,
      _subresource: string,
      body: { target: { name: string } },
    ) {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      await answer;
      bindings.push(`${name}→${body.target.name}`);
    },
    async patch(_namespace: string, _name: string, _type: string, body: unknown) {
      patches.push(body);
    },
  };
  const client = { of: () => api } as unknown as FrameworkHandle["client"];
  const framework = new Framework(DEFAULT_PLUGINS, { client });
  const cache = new SchedulerCache(clock);
  const queue = new SchedulingQueue(framework, {}, clock);
  const decisions = new DecisionLog(clock);
  const recorder = {
    record: (_about: unknown, _type: string, reason: string, message: string) =>
      void events.push(`${reason}: ${message}`),
  };
  const failures = new FailureReporter({ client, lister: store, events: recorder, clock, log });
  const metrics = new SchedulerMetrics(new MetricsRegistry(), clock);
  const onBound = () => {};
  const deps = { framework, cache, queue, pods: store, failures, decisions, metrics, onBound, clock, log };
  const stop = new AbortController();
  const running = Promise.all([new Scheduler(deps).run(stop.signal), failures.run(stop.signal)]);
  const [pods, nodes] = [podHandler({ cache, queue }), nodeHandler({ cache, queue })];
  return {
    clock,
    cache,
    queue,
    decisions,
    bindings,
    patches,
    events,
    answers,
    nodes,
    async put(pod: Pod) {
      const old = store.put(pod);
      if (old) pods.onUpdate?.(pod, old);
      else pods.onAdd?.(pod);
      await settle();
    },
    async remove(pod: Pod) {
      store.remove(`default/${pod.metadata.name}`);
      pods.onDelete?.(pod);
      await settle();
    },
    async finish() {
      stop.abort();
      await running;
    },
  };
}

test("scheduler binds a pod, and decides the next while that binding is under way", async () => {
  const { nodes, cache, answers, bindings, put, finish } = start();
  nodes.onAdd?.(makeNode("n1", { allocatable: { cpu: "1" } }));
  nodes.onAdd?.(makeNode("n2", { allocatable: { cpu: "1" } }));
  const slow = Promise.withResolvers<void>();
  answers.push(slow.promise);
  await put(makePod("a", {}, { cpu: "1" }));
  await put(makePod("b", {}, { cpu: "1" }));
  assert.equal(bindings.length, 1);
  assert.match(bindings[0] ?? "", /^b→/);
  slow.resolve();
  await settle();
  assert.deepEqual(new Set(bindings.map((text) => text.split("→")[1])), new Set(["n1", "n2"]));
  assert.equal(cache.assumedCount, 2);
  await put(makePod("a", { nodeName: "n1" }, { cpu: "1" }));
  assert.equal(cache.assumedCount, 1);
  await finish();
});

test("scheduler reports a pod that fits nowhere once, and places it when a node comes", async () => {
  const { clock, nodes, put, patches, events, bindings, decisions, finish } = start();
  nodes.onAdd?.(makeNode("small", { allocatable: { cpu: "1" } }));
  const pod = makePod("p", {}, { cpu: "2" });
  await put(pod);
  const message = "0/1 nodes are available: 1 Insufficient cpu.";
  assert.deepEqual(events, [`FailedScheduling: ${message}`]);
  assert.equal(patches.length, 1);
  const condition = nextCondition(pod, { reason: "Unschedulable", message }, "2026-01-02T03:04:05Z");
  assert.deepEqual(patches[0], { status: { conditions: [condition] } });
  assert.equal(decisions.explain("default/p")?.refused[0]?.plugin, "NodeResourcesFit");
  // Its own condition coming back must not make it try again.
  await put({ ...pod, status: { conditions: condition ? [condition] : [] } });
  await clock.advance(60_000);
  assert.equal(events.length, 1);
  nodes.onAdd?.(makeNode("large"));
  await settle();
  assert.deepEqual(bindings, ["p→large"]);
  assert.equal(decisions.explain("default/p")?.node, "large");
  await finish();
});

test("scheduler frees what a failed binding had set aside, and tries again after the back-off", async () => {
  const { clock, nodes, cache, answers, bindings, events, put, finish } = start();
  nodes.onAdd?.(makeNode("n1"));
  answers.push(new ApiError(500, "InternalError", "etcd is away"));
  await put(makePod("p"));
  assert.deepEqual(events, ["FailedScheduling: binding rejected: etcd is away"]);
  assert.equal(cache.assumedCount, 0);
  await clock.advance(2000);
  assert.deepEqual(bindings, ["p→n1"]);
  await finish();
});

test("scheduler lets a pod go that is deleted while its binding fails, and takes up its successor", async () => {
  const { nodes, queue, answers, bindings, put, remove, finish } = start();
  nodes.onAdd?.(makeNode("n1"));
  const gate = Promise.withResolvers<void>();
  answers.push(gate.promise);
  const pod = makePod("p");
  await put(pod);
  await remove(pod);
  const successor = makePod("p");
  await put({ ...successor, metadata: { ...successor.metadata, uid: "second" } });
  gate.reject(new ApiError(409, "Conflict", "another pod"));
  await settle();
  assert.deepEqual(bindings, ["p→n1"]);
  assert.deepEqual(queue.sizes(), { active: 0, backoff: 0, unschedulable: 0, gated: 0 });
  await finish();
});

test("scheduler leaves alone a successor that asks for another scheduler", async () => {
  const { nodes, answers, bindings, put, remove, finish } = start();
  nodes.onAdd?.(makeNode("n1"));
  const gate = Promise.withResolvers<void>();
  answers.push(gate.promise);
  const pod = makePod("p");
  await put(pod);
  await remove(pod);
  const successor = makePod("p", { schedulerName: "custom" });
  await put({ ...successor, metadata: { ...successor.metadata, uid: "second" } });
  gate.reject(new ApiError(409, "Conflict", "another pod"));
  await settle();
  assert.deepEqual(bindings, []);
  await finish();
});

test("scheduler ignores pods of other schedulers and pods that have a node", async () => {
  const { nodes, cache, bindings, put, finish } = start();
  nodes.onAdd?.(makeNode("n1"));
  await put(makePod("theirs", { schedulerName: "custom" }));
  await put(makePod("placed", { nodeName: "n1" }));
  assert.deepEqual(bindings, []);
  assert.equal(cache.podCount, 1);
  await finish();
});

test("nextCondition keeps the time of the transition while the pod stays unscheduled", () => {
  const pod = makePod("p");
  const first = nextCondition(pod, { reason: "Unschedulable", message: "a" }, "t1");
  assert.equal(first?.lastTransitionTime, "t1");
  const told = { ...pod, status: { conditions: first ? [first] : [] } };
  assert.equal(nextCondition(told, { reason: "Unschedulable", message: "a" }, "t2"), undefined);
  assert.equal(nextCondition(told, { reason: "Unschedulable", message: "b" }, "t2")?.lastTransitionTime, "t1");
});
