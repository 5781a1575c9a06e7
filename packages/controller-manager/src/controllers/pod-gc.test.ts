// Which pods the collector would remove.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod } from "@skiff/api/types.ts";
import { planPodCollection } from "./pod-gc.ts";

function pod(
  name: string,
  {
    phase = "Running",
    node,
    leaving = false,
    created = "2026-01-01T00:00:00Z",
    reason,
  }: { phase?: string; node?: string; leaving?: boolean; created?: string; reason?: string } = {},
): Pod {
  const deletion = leaving ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {};
  return {
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: created, ...deletion },
    spec: { containers: [], nodeName: node },
    status: { phase, reason },
  };
}

const node = (name: string, ready: boolean, taint?: string): Node => ({
  metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "" },
  spec: { taints: taint ? [{ key: taint, effect: "NoExecute" }] : [] },
  status: { conditions: [{ type: "Ready", status: ready ? "True" : "Unknown" }] },
});
const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);

test("planPodCollection removes finished pods beyond the threshold: evicted ones, then the oldest", () => {
  const pods = [
    pod("old", { phase: "Succeeded", node: "n" }),
    pod("young", { phase: "Failed", node: "n", created: "2026-02-01T00:00:00Z" }),
    pod("evicted", { phase: "Failed", node: "n", created: "2026-03-01T00:00:00Z", reason: "Evicted" }),
    pod("running", { node: "n" }),
  ];
  const finished = (threshold: number) => names(planPodCollection(pods, [node("n", true)], threshold).finished);
  assert.deepEqual(finished(1), ["evicted", "old"]);
  assert.deepEqual(finished(3), []);
  assert.deepEqual(finished(0), []);
});

test("planPodCollection orders finished pods of the same second by name", () => {
  const pods = ["c", "a", "b"].map((name) => pod(name, { phase: "Failed", node: "n" }));
  assert.deepEqual(names(planPodCollection(pods, [node("n", true)], 1).finished), ["a", "b"]);
});

test("planPodCollection finds pods of vanished nodes, unscheduled ones that leave, and those of nodes out of service", () => {
  const pods = [
    pod("lost", { node: "gone" }),
    pod("unscheduled-leaving", { leaving: true }),
    pod("unscheduled"),
    pod("stuck", { node: "off", leaving: true }),
    pod("stays", { node: "off" }),
    pod("ends-itself", { node: "on", leaving: true }),
  ];
  const out = "node.kubernetes.io/out-of-service";
  const plan = planPodCollection(pods, [node("off", false, out), node("on", true, out)], 0);
  assert.deepEqual(
    [...plan.orphaned].map(([name, orphans]) => [name, names(orphans)]),
    [["gone", ["lost"]]],
  );
  assert.deepEqual(names(plan.unscheduled), ["unscheduled-leaving"]);
  assert.deepEqual(names(plan.outOfService), ["stuck"]);
});
