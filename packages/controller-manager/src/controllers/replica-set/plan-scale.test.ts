// Which pods come and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { BURST_REPLICAS, planScale, rankForDeletion } from "./plan-scale.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");

interface PodSketch {
  node?: string;
  phase?: string;
  readySince?: string;
  cost?: string;
  restarts?: number;
  created?: string;
}

function pod(name: string, sketch: PodSketch = {}): Pod {
  const { node, phase = "Running", readySince, cost, restarts = 0, created = "2026-01-01T00:00:00Z" } = sketch;
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: "1",
      creationTimestamp: created,
      annotations: cost ? { "controller.kubernetes.io/pod-deletion-cost": cost } : {},
    },
    spec: { containers: [], nodeName: node },
    status: {
      phase,
      conditions: readySince ? [{ type: "Ready", status: "True", lastTransitionTime: readySince }] : [],
      containerStatuses: [{ name: "c", image: "", imageID: "", ready: true, restartCount: restarts }],
    },
  };
}

const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name).join(" ");

test("planScale creates the shortage, in bursts", () => {
  assert.deepEqual(planScale(3, [pod("a")], [], NOW), { create: 2, remove: [] });
  assert.equal(planScale(2000, [], [], NOW).create, BURST_REPLICAS);
  assert.deepEqual(planScale(1, [pod("a")], [], NOW), { create: 0, remove: [] });
});

test("planScale removes all pods without ranking when none is wanted", () => {
  assert.equal(names(planScale(0, [pod("a"), pod("b")], [], NOW).remove), "a b");
});

test("rankForDeletion goes by assignment, phase, readiness, cost, crowding, ready time, restarts and age, in that order", () => {
  const ready = { node: "n1", readySince: "2026-01-01T01:00:00Z" };
  const pods = [
    pod("kept", { ...ready, node: "n9", created: "2025-01-01T00:00:00Z" }),
    pod("young", { ...ready, node: "n9", created: "2026-01-01T11:59:00Z" }),
    pod("restarted", { ...ready, node: "n9", restarts: 3 }),
    pod("lately-ready", { node: "n9", readySince: "2026-01-01T11:59:00Z" }),
    pod("crowded", { ...ready, node: "n2" }),
    pod("cheap", { ...ready, cost: "-5" }),
    pod("unready", { node: "n1" }),
    pod("pending", { node: "n1", phase: "Pending" }),
    pod("unassigned", { phase: "Running" }),
  ];
  const related = [...pods, ...Array.from({ length: 5 }, (_, i) => pod(`other-${i}`, { node: "n2" }))];
  assert.equal(
    names(rankForDeletion(pods, related, NOW)),
    "unassigned pending unready cheap crowded lately-ready restarted young kept",
  );
});

test("rankForDeletion ignores a malformed deletion cost", () => {
  const ready = { node: "n", readySince: "2026-01-01T01:00:00Z" };
  const pods = [pod("a", { ...ready, cost: "+1" }), pod("b", { ...ready, cost: "-1" })];
  assert.equal(names(rankForDeletion(pods, [], NOW)), "b a");
});
