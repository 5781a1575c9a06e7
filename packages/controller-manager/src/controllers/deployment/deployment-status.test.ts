// Counts, conditions and deadlines of a Deployment.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeploymentStatus } from "@skiff/api/types.ts";
import { pauseCondition } from "./deployment-conditions.ts";
import { computeRolloutStatus, isSameStatus, recheckInMs } from "./deployment-status.ts";
import { deployment, replicaSet } from "./testing/sketches.ts";

const NOW = Date.parse("2026-01-01T00:10:00Z");
const reasonOf = (status: DeploymentStatus, type: string) =>
  status.conditions?.find((condition) => condition.type === type)?.reason;

function progressing(reason: string, status: "True" | "False", updated: string): DeploymentStatus {
  return {
    conditions: [{ type: "Progressing", status, reason, lastUpdateTime: updated, lastTransitionTime: updated }],
  };
}

test("computeRolloutStatus counts all sets and says what is unavailable", () => {
  const d = deployment({ replicas: 4, deadline: 600 });
  const fresh = replicaSet("new", { replicas: 2, available: 1, ready: 2 });
  const old = replicaSet("old", { replicas: 3, available: 3 });
  const status = computeRolloutStatus(d, fresh, [old, fresh], NOW);
  const { conditions, ...counts } = status;
  assert.deepEqual(counts, {
    observedGeneration: 1,
    replicas: 5,
    updatedReplicas: 2,
    readyReplicas: 5,
    availableReplicas: 4,
    unavailableReplicas: 1,
    terminatingReplicas: 0,
  });
  assert.equal(conditions?.find(({ type }) => type === "Available")?.message, "Deployment has minimum availability.");
  assert.equal(reasonOf(status, "Progressing"), "ReplicaSetUpdated");
});

test("computeRolloutStatus reports completion once, and stays complete when a pod is lost", () => {
  const d = deployment({ replicas: 2, deadline: 600 });
  const done = computeRolloutStatus(
    d,
    replicaSet("new", { replicas: 2, available: 2 }),
    [replicaSet("new", { replicas: 2, available: 2 })],
    NOW,
  );
  const condition = done.conditions?.find(({ type }) => type === "Progressing");
  assert.equal(condition?.message, 'ReplicaSet "new" has successfully progressed.');
  const lost = replicaSet("new", { replicas: 2, available: 1 });
  const later = computeRolloutStatus({ ...d, status: done }, lost, [lost], NOW + 3_600_000);
  assert.equal(reasonOf(later, "Progressing"), "NewReplicaSetAvailable");
  assert.equal(reasonOf(later, "Available"), "MinimumReplicasUnavailable");
});

test("computeRolloutStatus times out after the deadline without progress, and says so until there is some", () => {
  const fresh = replicaSet("new", { replicas: 2, available: 0, actual: 2 });
  const counts = { replicas: 2, updatedReplicas: 2 };
  const status = { ...counts, ...progressing("ReplicaSetUpdated", "True", "2026-01-01T00:00:00Z") };
  const early = computeRolloutStatus(deployment({ replicas: 2, deadline: 601, status }), fresh, [fresh], NOW);
  assert.equal(reasonOf(early, "Progressing"), "ReplicaSetUpdated");
  const late = computeRolloutStatus(deployment({ replicas: 2, deadline: 599, status }), fresh, [fresh], NOW);
  assert.equal(reasonOf(late, "Progressing"), "ProgressDeadlineExceeded");
  const moving = replicaSet("new", { replicas: 2, available: 0, ready: 1 });
  const revived = computeRolloutStatus(
    deployment({ replicas: 2, deadline: 599, status: { ...late } }),
    moving,
    [moving],
    NOW,
  );
  assert.equal(reasonOf(revived, "Progressing"), "ReplicaSetUpdated");
});

test("computeRolloutStatus passes a set's failure on and takes it back", () => {
  const d = deployment({ replicas: 1 });
  const failing = replicaSet("new", { replicas: 1, actual: 0 });
  const conditions = [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "no quota" }];
  const broken = { ...failing, status: { replicas: 0, conditions } };
  const status = computeRolloutStatus(d, broken, [broken], NOW);
  assert.equal(reasonOf(status, "ReplicaFailure"), "FailedCreate");
  assert.equal(reasonOf(computeRolloutStatus({ ...d, status }, failing, [failing], NOW), "ReplicaFailure"), undefined);
});

test("isSameStatus sees a change of counts and of conditions, and no difference between absent and zero", () => {
  assert.ok(isSameStatus({ replicas: 1 }, { replicas: 1, readyReplicas: 0 }));
  assert.ok(!isSameStatus({ replicas: 1 }, { replicas: 2 }));
  assert.ok(!isSameStatus({}, progressing("A", "True", "2026-01-01T00:00:00Z")));
  assert.ok(!isSameStatus(undefined, {}));
});

test("recheckInMs waits for the deadline of an unfinished rollout only", () => {
  const status = progressing("ReplicaSetUpdated", "True", "2026-01-01T00:09:00Z");
  assert.equal(recheckInMs(deployment({ replicas: 2, deadline: 100, status }), status, NOW), 41_000);
  assert.equal(recheckInMs(deployment({ replicas: 2, status }), status, NOW), undefined);
  const done = progressing("NewReplicaSetAvailable", "True", "2026-01-01T00:09:00Z");
  assert.equal(recheckInMs(deployment({ replicas: 2, deadline: 100, status: done }), done, NOW), undefined);
});

test("pauseCondition marks pausing and resuming once each", () => {
  assert.equal(pauseCondition(deployment({ replicas: 1, paused: true, deadline: 600 }))?.reason, "DeploymentPaused");
  const paused = progressing("DeploymentPaused", "True", "2026-01-01T00:00:00Z");
  assert.equal(pauseCondition(deployment({ replicas: 1, paused: true, deadline: 600, status: paused })), undefined);
  assert.equal(pauseCondition(deployment({ replicas: 1, deadline: 600, status: paused }))?.reason, "DeploymentResumed");
  assert.equal(pauseCondition(deployment({ replicas: 1, paused: true })), undefined);
});
