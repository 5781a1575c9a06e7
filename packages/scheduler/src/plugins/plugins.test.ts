// Each plugin's verdicts and scores.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod } from "@skiff/api/types.ts";
import { NodeInfo } from "../cache/node-info.ts";
import { Snapshot } from "../cache/snapshot.ts";
import { CycleState } from "../framework/cycle-state.ts";
import { Framework, normalizeByMaximum } from "../framework/framework.ts";
import { podInfoOf } from "../framework/pod-info.ts";
import { makeNode, makePod } from "../testing/objects.ts";
import { imageLocality, normalizedImage } from "./image-locality.ts";
import { DEFAULT_PLUGINS } from "./index.ts";
import { nodeAffinity } from "./node-affinity.ts";
import { nodeResourcesBalancedAllocation } from "./node-resources-balanced-allocation.ts";
import { nodeResourcesFit } from "./node-resources-fit.ts";
import { taintToleration } from "./taint-toleration.ts";

const framework = new Framework(DEFAULT_PLUGINS, {
  client: {
    of() {
      throw new Error("no client in these tests");
    },
  },
});

function infoOf(node: Node, pods: Pod[] = []): NodeInfo {
  const info = new NodeInfo(node.metadata.name);
  info.setNode(node);
  for (const pod of pods) info.addPod(podInfoOf(pod));
  return info;
}

/** Why the pod may not run on the node: `plugin: reasons`, or "fits". */
function judge(pod: Pod, node: NodeInfo): string {
  const state = new CycleState();
  const snapshot = new Snapshot();
  snapshot.rebuild([node]);
  const before = framework.runPreFilter(state, podInfoOf(pod), snapshot);
  const refusal = "refusedBy" in before ? before.refusedBy : framework.runFilter(state, podInfoOf(pod), node);
  return refusal ? `${refusal.plugin}: ${refusal.refusal.reasons.join(", ")}` : "fits";
}

const term = (key: string, value: string) => ({ matchExpressions: [{ key, operator: "In", values: [value] }] });

test("filters refuse in upstream's words", () => {
  const taint = { key: "gpu", value: "yes", effect: "NoSchedule" };
  const port = { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080 }] }] };
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term("disk", "ssd")] } },
  };
  const cases: [string, Pod, NodeInfo][] = [
    ["fits", makePod("p"), infoOf(makeNode("n"))],
    ["NodeUnschedulable: node(s) were unschedulable", makePod("p"), infoOf(makeNode("n", { unschedulable: true }))],
    [
      "fits",
      makePod("p", { tolerations: [{ key: "node.kubernetes.io/unschedulable", operator: "Exists" }] }),
      infoOf(makeNode("n", { unschedulable: true })),
    ],
    ["NodeName: node(s) didn't match the requested node name", makePod("p", { nodeName: "m" }), infoOf(makeNode("n"))],
    ["TaintToleration: node(s) had untolerated taint(s)", makePod("p"), infoOf(makeNode("n", { taints: [taint] }))],
    [
      "fits",
      makePod("p", { tolerations: [{ key: "gpu", operator: "Equal", value: "yes", effect: "NoSchedule" }] }),
      infoOf(makeNode("n", { taints: [taint] })),
    ],
    [
      "NodeAffinity: node(s) didn't match Pod's node affinity/selector",
      makePod("p", { nodeSelector: { disk: "ssd" } }),
      infoOf(makeNode("n", { labels: { disk: "hdd" } })),
    ],
    [
      "NodeAffinity: node(s) didn't match Pod's node affinity/selector",
      makePod("p", { affinity }),
      infoOf(makeNode("n")),
    ],
    ["fits", makePod("p", { affinity }), infoOf(makeNode("n", { labels: { disk: "ssd" } }))],
    [
      "NodePorts: node(s) didn't have free ports for the requested pod ports",
      makePod("p", port),
      infoOf(makeNode("n"), [makePod("other", port)]),
    ],
    [
      "NodeResourcesFit: Insufficient cpu, Insufficient memory",
      makePod("p", {}, { cpu: "3", memory: "6Gi" }),
      infoOf(makeNode("n"), [makePod("other", {}, { cpu: "1500m", memory: "3Gi" })]),
    ],
    [
      "NodeResourcesFit: Too many pods",
      makePod("p"),
      infoOf(makeNode("n", { allocatable: { pods: "1" } }), [makePod("o")]),
    ],
    [
      "NodeResourcesFit: Insufficient example.com/gpu",
      makePod("p", {}, { "example.com/gpu": "1" }),
      infoOf(makeNode("n")),
    ],
  ];
  for (const [expected, pod, node] of cases) assert.equal(judge(pod, node), expected);
});

test("NodeAffinity narrows the search to nodes that are named, and to none if they contradict", () => {
  const named = (...names: string[]) => ({
    matchFields: names.map((name) => ({ key: "metadata.name", operator: "In", values: [name] })),
  });
  const preFilter = (...terms: object[]) => {
    const required = { nodeSelectorTerms: terms };
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
    return nodeAffinity.preFilter(new CycleState(), podInfoOf(makePod("p", { affinity })));
  };
  assert.deepEqual(preFilter(named("n1"), named("n2")), { nodes: new Set(["n1", "n2"]) });
  assert.deepEqual(preFilter(named("n1", "n2")), { nodes: new Set() });
  assert.deepEqual(preFilter(named("n1"), term("disk", "ssd")), { fits: true });
});

test("NodeResourcesFit prefers emptier nodes, counting a little for pods that ask for nothing", () => {
  const pod = podInfoOf(makePod("p"));
  assert.deepEqual(pod.nonZero, { cpu: 100, memory: 200 * 1024 * 1024 });
  const empty = nodeResourcesFit.score(podInfoOf(makePod("p", {}, { cpu: "1", memory: "2Gi" })), infoOf(makeNode("n")));
  assert.equal(empty, 75);
  const used = infoOf(makeNode("n"), [makePod("other", {}, { cpu: "2", memory: "2Gi" })]);
  assert.equal(nodeResourcesFit.score(podInfoOf(makePod("p", {}, { cpu: "1", memory: "2Gi" })), used), 37);
});

test("NodeResourcesBalancedAllocation prefers nodes used evenly", () => {
  const pod = podInfoOf(makePod("p", {}, { cpu: "2", memory: "4Gi" }));
  assert.equal(nodeResourcesBalancedAllocation.score(pod, infoOf(makeNode("n"))), 100);
  const uneven = podInfoOf(makePod("p", {}, { cpu: "4", memory: "0" }));
  assert.equal(nodeResourcesBalancedAllocation.score(uneven, infoOf(makeNode("n"))), 50);
});

test("TaintToleration scores nodes that prefer no pods last", () => {
  const soft = { key: "slow", effect: "PreferNoSchedule" };
  const nodes = [infoOf(makeNode("a", { taints: [soft] })), infoOf(makeNode("b"))];
  const state = new CycleState();
  const pod = podInfoOf(makePod("p"));
  assert.equal(taintToleration.preScore(state, pod, nodes), "score");
  const scores = nodes.map((node) => taintToleration.score(pod, node, state));
  taintToleration.normalizeScores(scores);
  assert.deepEqual(scores, [0, 100]);
});

test("NodeAffinity adds up the weights of preferred terms that match", () => {
  const preferredDuringSchedulingIgnoredDuringExecution = [
    { weight: 80, preference: term("disk", "ssd") },
    { weight: 20, preference: term("zone", "a") },
  ];
  const pod = podInfoOf(
    makePod("p", { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } } }),
  );
  const both = infoOf(makeNode("n", { labels: { disk: "ssd", zone: "a" } }));
  assert.equal(nodeAffinity.score(pod, both), 100);
  assert.equal(nodeAffinity.score(pod, infoOf(makeNode("n", { labels: { zone: "a" } }))), 20);
});

test("ImageLocality counts images that are there, weighted by how common they are", () => {
  const node = makeNode("n");
  node.status = { ...node.status, images: [{ names: ["web:1"], sizeBytes: 500 * 1024 * 1024 }] };
  const holder = infoOf(node);
  const snapshot = new Snapshot(new Map([["web:1", new Set(["n"])]]));
  snapshot.rebuild([holder, infoOf(makeNode("m"))]);
  const pod = podInfoOf(makePod("p"));
  assert.equal(imageLocality.score(pod, holder, new CycleState(), snapshot), 23);
  assert.equal(normalizedImage("registry:5000/web"), "registry:5000/web:latest");
  assert.equal(normalizedImage("web@sha256:00"), "web@sha256:00");
});

test("normalizeByMaximum spreads scores over 0 to 100, reversed if asked", () => {
  const scores = [0, 5, 10];
  normalizeByMaximum(scores);
  assert.deepEqual(scores, [0, 50, 100]);
  const none = [0, 0];
  normalizeByMaximum(none, true);
  assert.deepEqual(none, [100, 100]);
});

test("Framework refuses a plugin that is listed twice", () => {
  const twice = [...DEFAULT_PLUGINS, { plugin: nodeAffinity }];
  const client = { of: () => assert.fail() };
  assert.throws(() => new Framework(twice, { client }), /NodeAffinity is listed twice/);
});
