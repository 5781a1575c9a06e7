// Sizes of ReplicaSets that run side by side.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isScalingEvent, planScaling } from "./proportional-scaling.ts";
import { sizeAnnotations } from "./revisions.ts";
import { deployment, replicaSet } from "./testing/sketches.ts";

const sizes = (plan: ReturnType<typeof planScaling>) =>
  Object.fromEntries(plan.map((resize) => [resize.replicaSet.metadata.name, resize.replicas]));

test("isScalingEvent is a changed size of a Deployment whose sets run, and nothing else", () => {
  const annotations = sizeAnnotations(5, 7);
  assert.ok(isScalingEvent(deployment({ replicas: 6 }), [replicaSet("a", { replicas: 5, annotations })]));
  assert.ok(!isScalingEvent(deployment({ replicas: 5 }), [replicaSet("a", { replicas: 5, annotations })]));
  assert.ok(!isScalingEvent(deployment({ replicas: 6 }), [replicaSet("a", { replicas: 0, annotations })]));
  assert.ok(!isScalingEvent(deployment({ replicas: 6 }), [replicaSet("a", { replicas: 5 })]));
});

test("planScaling gives everything to the only set that runs, or to the newest", () => {
  const d = deployment({ replicas: 4 });
  assert.deepEqual(sizes(planScaling(d, undefined, [replicaSet("old", { replicas: 2 })])), { old: 4 });
  assert.deepEqual(sizes(planScaling(d, replicaSet("new", { replicas: 0 }), [replicaSet("old", { replicas: 0 })])), {
    new: 4,
  });
});

test("planScaling spreads growth in proportion to the sizes, with the rest to the largest", () => {
  // 10 pods with a surge of 3: scaled to 15 while 8 old and 5 new run.
  const annotations = sizeAnnotations(10, 13);
  const d = deployment({ replicas: 15, maxSurge: 3, maxUnavailable: 2 });
  const plan = planScaling(d, replicaSet("new", { replicas: 5, annotations }), [
    replicaSet("old", { replicas: 8, annotations }),
  ]);
  assert.deepEqual(sizes(plan), { old: 11, new: 7 });
});

test("planScaling shrinks in proportion too, down to nothing", () => {
  const annotations = sizeAnnotations(10, 13);
  const d = deployment({ replicas: 0, maxSurge: 3, maxUnavailable: 2 });
  const plan = planScaling(d, replicaSet("new", { replicas: 5, annotations }), [
    replicaSet("old", { replicas: 8, annotations }),
  ]);
  assert.deepEqual(sizes(plan), { old: 0, new: 0 });
});

test("planScaling empties old sets once the new one is saturated", () => {
  const annotations = sizeAnnotations(4, 5);
  const d = deployment({ replicas: 4 });
  const plan = planScaling(d, replicaSet("new", { replicas: 4, available: 4, annotations }), [
    replicaSet("old", { replicas: 1 }),
  ]);
  assert.deepEqual(sizes(plan), { old: 0 });
});
