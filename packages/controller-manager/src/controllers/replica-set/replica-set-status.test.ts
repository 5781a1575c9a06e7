// What a ReplicaSet says of its pods.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, ReplicaSet } from "@skiff/api/types.ts";
import { computeReplicaSetStatus, isSameReplicaSetStatus, nextAvailabilityMs } from "./replica-set-status.ts";

const NOW = Date.parse("2026-01-01T00:01:00Z");

function pod(
  name: string,
  readySince: string | undefined,
  labels: Record<string, string> = { app: "x", tier: "web" },
): Pod {
  const conditions = readySince ? [{ type: "Ready", status: "True", lastTransitionTime: readySince }] : [];
  return {
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "", labels },
    spec: { containers: [] },
    status: { conditions },
  };
}

const set: ReplicaSet = {
  metadata: { name: "s", uid: "s", resourceVersion: "1", creationTimestamp: "", generation: 4 },
  spec: {
    minReadySeconds: 30,
    selector: { matchLabels: { app: "x" } },
    template: { metadata: { labels: { app: "x", tier: "web" } } },
  },
};

test("computeReplicaSetStatus counts labels, readiness and availability apart", () => {
  const active = [
    pod("old", "2026-01-01T00:00:00Z"),
    pod("fresh", "2026-01-01T00:00:50Z", { app: "x" }),
    pod("unready", undefined),
  ];
  const status = computeReplicaSetStatus(set, { active, terminating: 2, failure: undefined }, NOW);
  assert.deepEqual(status, {
    replicas: 3,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    terminatingReplicas: 2,
    observedGeneration: 4,
  });
  assert.equal(nextAvailabilityMs(active, 30, NOW), 20_000);
  assert.equal(nextAvailabilityMs(active.slice(0, 1), 30, NOW), undefined);
});

test("computeReplicaSetStatus keeps a standing failure as it was and drops it once all is well", () => {
  const failure = { reason: "FailedCreate", message: "no quota" } as const;
  const first = computeReplicaSetStatus(set, { active: [], terminating: 0, failure }, NOW);
  assert.equal(first.conditions?.[0]?.message, "no quota");
  const again = { ...failure, message: "still none" };
  const second = computeReplicaSetStatus(
    { ...set, status: first },
    { active: [], terminating: 0, failure: again },
    NOW + 5000,
  );
  assert.ok(isSameReplicaSetStatus(first, second));
  const healed = computeReplicaSetStatus(
    { ...set, status: first },
    { active: [], terminating: 0, failure: undefined },
    NOW,
  );
  assert.equal(healed.conditions, undefined);
});
