// The steps of a rolling update.
import assert from "node:assert/strict";
import { test } from "node:test";
import { maxSurge, maxUnavailable } from "./replica-counts.ts";
import { planRollingUpdate } from "./rolling-update.ts";
import { deployment, replicaSet } from "./testing/sketches.ts";

const sizes = (plan: ReturnType<typeof planRollingUpdate>) =>
  Object.fromEntries(plan.map((resize) => [resize.replicaSet.metadata.name, resize.replicas]));

test("maxSurge rounds up, maxUnavailable rounds down, and both are never zero", () => {
  const d = deployment({ replicas: 3, maxSurge: "25%", maxUnavailable: "25%" });
  assert.deepEqual([maxSurge(d), maxUnavailable(d)], [1, 0]);
  const stuck = deployment({ replicas: 3, maxSurge: 0, maxUnavailable: "1%" });
  assert.deepEqual([maxSurge(stuck), maxUnavailable(stuck)], [0, 1]);
  const small = deployment({ replicas: 1, maxSurge: 0, maxUnavailable: 5 });
  assert.equal(maxUnavailable(small), 1);
});

test("planRollingUpdate grows the new set within the surge before it shrinks the old", () => {
  const d = deployment({ replicas: 10, maxSurge: 3, maxUnavailable: 2 });
  const old = replicaSet("old", { replicas: 10, available: 10 });
  assert.deepEqual(sizes(planRollingUpdate(d, replicaSet("new", { replicas: 0 }), [old])), { new: 3 });
  const grown = replicaSet("new", { replicas: 3, available: 0 });
  assert.deepEqual(sizes(planRollingUpdate(d, grown, [old])), { old: 8 });
});

test("planRollingUpdate never lets availability drop below the minimum", () => {
  const d = deployment({ replicas: 10, maxSurge: 3, maxUnavailable: 2 });
  const plan = planRollingUpdate(d, replicaSet("new", { replicas: 5, available: 0 }), [
    replicaSet("old", { replicas: 8, available: 8 }),
  ]);
  assert.deepEqual(sizes(plan), {});
});

test("planRollingUpdate drops unhealthy old pods first, whichever set they are of", () => {
  const d = deployment({ replicas: 10, maxSurge: 2, maxUnavailable: 0 });
  const plan = planRollingUpdate(d, replicaSet("new", { replicas: 2, available: 2 }), [
    replicaSet("old-1", { replicas: 8, available: 8, created: "2026-01-01T00:00:00Z" }),
    replicaSet("old-2", { replicas: 2, available: 0, created: "2026-01-02T00:00:00Z" }),
  ]);
  assert.deepEqual(sizes(plan), { "old-2": 0 });
});

test("planRollingUpdate brings a new set that is too large back", () => {
  const d = deployment({ replicas: 3, maxSurge: 1, maxUnavailable: 0 });
  assert.deepEqual(sizes(planRollingUpdate(d, replicaSet("new", { replicas: 7 }), [])), { new: 3 });
});

test("planRollingUpdate, step by step with pods that become available at once, ends and keeps its promises", () => {
  for (const [surge, unavailable] of [
    [1, 0],
    [0, 1],
    ["25%", "25%"],
    [3, 2],
  ] as const) {
    const d = deployment({ replicas: 7, maxSurge: surge, maxUnavailable: unavailable });
    let fresh = replicaSet("new", { replicas: 0 });
    let old = replicaSet("old", { replicas: 7, available: 7 });
    for (let step = 0; step < 40; step++) {
      for (const { replicaSet: set, replicas } of planRollingUpdate(d, fresh, [old])) {
        const resized = replicaSet(set.metadata.name, { replicas, available: replicas });
        if (set === fresh) fresh = resized;
        else old = resized;
      }
      const total = (fresh.spec?.replicas ?? 0) + (old.spec?.replicas ?? 0);
      assert.ok(total <= 7 + maxSurge(d) && total >= 7 - maxUnavailable(d), `${total} pods at step ${step}`);
    }
    assert.deepEqual([fresh.spec?.replicas, old.spec?.replicas], [7, 0]);
  }
});
