// What a budget's status says, as pods come, fall ill, and are evicted.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OwnerReference, Pod, PodDisruptionBudget } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { BudgetStatus } from "./budget-status.ts";
import { EVICTION_TIMEOUT_MS, failedBudgetStatus, planBudgetStatus } from "./budget-status.ts";
import { countPods } from "./count-pods.ts";

const NOW = Date.parse("2026-01-01T00:10:00Z");

function budget(spec: PodDisruptionBudget["spec"], status?: BudgetStatus): PodDisruptionBudget {
  const metadata = { name: "b", uid: "b", resourceVersion: "1", generation: 3, creationTimestamp: "" };
  return { metadata, spec, status };
}

function pod(name: string, { ready = true, leaving = false, owner = "" } = {}): Pod {
  const ownerReferences: OwnerReference[] = owner
    ? [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }]
    : [];
  const deletion = leaving ? { deletionTimestamp: formatTime(NOW) } : {};
  return {
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "", ownerReferences, ...deletion },
    spec: { containers: [] },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

const scales = (sizes: Record<string, { uid: string; replicas: number }>) => async (_: string, owner: OwnerReference) =>
  sizes[owner.name];

test("planBudgetStatus allows what is healthy beyond the bound, and says so in a condition", () => {
  const pods = [pod("a"), pod("b"), pod("ill", { ready: false }), pod("leaving", { leaving: true })];
  const { status, recheckAfterMs } = planBudgetStatus(budget({}), pods, { expected: 4, desiredHealthy: 1 }, NOW);
  assert.equal(recheckAfterMs, undefined);
  const { conditions, ...counts } = status;
  const expected = {
    observedGeneration: 3,
    disruptionsAllowed: 1,
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 4,
  };
  assert.deepEqual(counts, expected);
  assert.deepEqual([conditions?.[0]?.status, conditions?.[0]?.reason], ["True", "SufficientPods"]);
});

test("planBudgetStatus allows nothing below the bound or where no pod is expected, and keeps the time of the transition", () => {
  const before = "2025-01-01T00:00:00Z";
  const condition = {
    type: "DisruptionAllowed",
    status: "False",
    reason: "x",
    message: "",
    lastTransitionTime: before,
  };
  const known = budget(
    {},
    { ...planBudgetStatus(budget({}), [], { expected: 0, desiredHealthy: 0 }, NOW).status, conditions: [condition] },
  );
  const { status } = planBudgetStatus(known, [pod("a")], { expected: 2, desiredHealthy: 2 }, NOW);
  assert.equal(status.disruptionsAllowed, 0);
  assert.equal(status.conditions?.[0]?.lastTransitionTime, before);
  assert.equal(
    planBudgetStatus(known, [pod("a")], { expected: 0, desiredHealthy: 0 }, NOW).status.disruptionsAllowed,
    0,
  );
});

test("planBudgetStatus counts an evicted pod as gone until its time is over, its deletion is seen, or it is gone", () => {
  const evicted = formatTime(NOW - 30_000);
  const disruptedPods = { a: evicted, gone: evicted, leaving: evicted, late: formatTime(NOW - EVICTION_TIMEOUT_MS) };
  const status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, disruptedPods };
  const pods = [pod("a"), pod("b"), pod("leaving", { leaving: true }), pod("late")];
  const plan = planBudgetStatus(budget({}, status), pods, { expected: 4, desiredHealthy: 1 }, NOW);
  assert.deepEqual(plan.status.disruptedPods, { a: evicted });
  assert.deepEqual([plan.status.currentHealthy, plan.status.disruptionsAllowed], [2, 1]);
  assert.equal(plan.recheckAfterMs, EVICTION_TIMEOUT_MS - 30_000);
});

test("failedBudgetStatus closes the budget and keeps the last counts", () => {
  const status = { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 };
  const failed = failedBudgetStatus(budget({}, status), "no idea", NOW);
  assert.deepEqual([failed.disruptionsAllowed, failed.currentHealthy], [0, 5]);
  assert.deepEqual([failed.conditions?.[0]?.reason, failed.conditions?.[0]?.message], ["SyncFailed", "no idea"]);
});

test("countPods takes a plain minimum of the pods that exist, whoever made them", async () => {
  const counts = await countPods(budget({ minAvailable: 2 }), [pod("a"), pod("b"), pod("c")], scales({}));
  assert.deepEqual(counts, { expected: 3, desiredHealthy: 2, unmanaged: [] });
});

test("countPods takes shares of what the controllers are asked for, a Deployment's two ReplicaSets once", async () => {
  const find = scales({
    old: { uid: "web", replicas: 5 },
    new: { uid: "web", replicas: 5 },
    db: { uid: "db", replicas: 2 },
  });
  const pods = [pod("a", { owner: "old" }), pod("b", { owner: "new" }), pod("c", { owner: "db" }), pod("lone")];
  const share = await countPods(budget({ minAvailable: "50%" }), pods, find);
  assert.deepEqual(share, { expected: 7, desiredHealthy: 4, unmanaged: ["lone"] });
  const most = await countPods(budget({ maxUnavailable: "30%" }), pods, find);
  assert.deepEqual([most.expected, most.desiredHealthy], [7, 4]);
  assert.equal((await countPods(budget({ maxUnavailable: 9 }), pods, find)).desiredHealthy, 0);
});

test("countPods fails for a pod whose controller has no size", async () => {
  const lost = countPods(budget({ maxUnavailable: 1 }), [pod("a", { owner: "gone" })], scales({}));
  await assert.rejects(lost, /found no controllers for pod "a"/);
});
