// Decisions: messages, scores, sampling of large clusters, speed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "@skiff/api/types.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { processorMs } from "@skiff/testkit/processor-time.ts";
import { SchedulerCache } from "./cache/scheduler-cache.ts";
import { CycleState } from "./framework/cycle-state.ts";
import { Framework } from "./framework/framework.ts";
import { podInfoOf } from "./framework/pod-info.ts";
import { feasibleNodesWanted, NodeFinder, pickBest } from "./node-finder.ts";
import { DEFAULT_PLUGINS } from "./plugins/index.ts";
import { makeNode, makePod } from "./testing/objects.ts";

function make(nodes: Node[]) {
  const cache = new SchedulerCache(new FakeClock());
  for (const node of nodes) cache.setNode(node);
  const finder = new NodeFinder(new Framework(DEFAULT_PLUGINS, { client: { of: () => assert.fail() } }));
  const decide = (pod: ReturnType<typeof makePod>) => finder.decide(new CycleState(), podInfoOf(pod), cache.snapshot());
  return { cache, decide };
}

test("a pod that fits nowhere is told what the nodes lack, in upstream's words", () => {
  const taints = [{ key: "a", effect: "NoSchedule" }];
  const { decide } = make([
    makeNode("n1", { allocatable: { cpu: "1" } }),
    makeNode("n2", { allocatable: { cpu: "1", memory: "1Gi" } }),
    makeNode("n3", { taints }),
  ]);
  const decision = decide(makePod("p", {}, { cpu: "2", memory: "2Gi" }));
  assert.ok(decision.nodeName === undefined);
  assert.equal(
    decision.message,
    "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
  );
  assert.deepEqual(decision.refusedBy, new Set(["NodeResourcesFit", "TaintToleration"]));
});

test("a pod that names nodes is told about them and about those left out", () => {
  const { decide } = make([makeNode("n1", { allocatable: { cpu: "1" } }), makeNode("n2"), makeNode("n3")]);
  const named = { matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [named] } } };
  const decision = decide(makePod("p", { affinity }, { cpu: "2" }));
  assert.ok(decision.nodeName === undefined);
  assert.equal(
    decision.message,
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  );
  assert.equal(decide(makePod("q", { affinity }, { cpu: "1" })).nodeName, "n1");
});

test("without nodes the message says so", () => {
  const decision = make([]).decide(makePod("p"));
  assert.ok(decision.nodeName === undefined);
  assert.equal(decision.message, "no nodes available to schedule pods");
  assert.equal(decision.refusedBy.size, 0);
});

test("the emptiest node wins, and its scores are kept", () => {
  const { cache, decide } = make([makeNode("n1"), makeNode("n2")]);
  cache.setPod(podInfoOf(makePod("other", {}, { cpu: "2", memory: "4Gi" })), "n1");
  const decision = decide(makePod("p", {}, { cpu: "1", memory: "2Gi" }));
  assert.equal(decision.nodeName, "n2");
  assert.deepEqual(decision.reasons.scores.get("NodeResourcesFit"), [25, 75]);
});

test("a search in a large cluster stops once enough nodes fit, and starts where the last one ended", () => {
  const { decide } = make(Array.from({ length: 1000 }, (_, i) => makeNode(`n${i}`)));
  const first = decide(makePod("p")).reasons.feasible;
  const second = decide(makePod("q")).reasons.feasible;
  assert.equal(first.length, 420);
  assert.equal(second[0], "n420");
});

test("feasibleNodesWanted shrinks from half to a twentieth, never below 100", () => {
  const wanted = [10, 99, 100, 150, 1000, 5000, 10_000].map(feasibleNodesWanted);
  assert.deepEqual(wanted, [10, 99, 100, 100, 420, 500, 500]);
});

test("pickBest takes each of the best with equal chance", () => {
  const counts = [0, 0, 0, 0];
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 48271) >>> 0) % 2147483647;
    return state / 2147483647;
  };
  for (let i = 0; i < 3000; i++) counts[pickBest([7, 9, 9, 9], random)]!++;
  assert.equal(counts[0], 0);
  for (const count of counts.slice(1)) assert.ok(count > 850 && count < 1150, String(counts));
});

test("a thousand nodes fill evenly, in time that suits many decisions per second", () => {
  const { cache, decide } = make(Array.from({ length: 1000 }, (_, i) => makeNode(`n${i}`)));
  const tookMs = processorMs(() => {
    for (let i = 0; i < 2000; i++) {
      const pod = makePod(`p${i}`, {}, { cpu: "500m", memory: "512Mi" });
      const { nodeName } = decide(pod);
      assert.ok(nodeName);
      cache.assume(podInfoOf(pod), nodeName);
    }
  });
  const loads = cache.snapshot().nodes.map((node) => node.pods.size);
  // A search sees under half of the nodes, so the fill is nearly even only.
  assert.ok(Math.min(...loads) >= 1 && Math.max(...loads) <= 3, `${Math.min(...loads)} to ${Math.max(...loads)}`);
  // A walk over all nodes and pods for each decision would be tens of times over it.
  assert.ok(tookMs < 10_000, `${tookMs} ms for 2000 decisions`);
});
