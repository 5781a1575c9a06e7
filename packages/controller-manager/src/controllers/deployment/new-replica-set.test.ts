// Finding, building and clearing away ReplicaSets of a Deployment.
import assert from "node:assert/strict";
import { test } from "node:test";
import { buildNewSet, findNewSet } from "./new-replica-set.ts";
import { planCleanup } from "./plan-cleanup.ts";
import { annotationsForNewSet, nextRevision, REVISION, REVISION_HISTORY } from "./revisions.ts";
import { deployment, replicaSet } from "./testing/sketches.ts";

test("findNewSet matches the template whatever its hash label, and takes the oldest of equals", () => {
  const d = deployment({ replicas: 1, image: "img:2" });
  const sets = [
    replicaSet("other", { replicas: 0, image: "img:1", created: "2025-01-01T00:00:00Z" }),
    replicaSet("young", { replicas: 0, image: "img:2", created: "2026-01-02T00:00:00Z" }),
    replicaSet("old", { replicas: 0, image: "img:2", created: "2026-01-01T00:00:00Z" }),
  ];
  assert.equal(findNewSet(d, sets)?.metadata.name, "old");
  assert.equal(findNewSet(deployment({ replicas: 1, image: "img:3" }), sets), undefined);
});

test("findNewSet sees no difference in an empty map, but in an empty volume source", () => {
  const d = deployment({ replicas: 1, image: "img:2" });
  const set = replicaSet("s", { replicas: 0, image: "img:2" });
  d.spec.template.metadata = { ...d.spec.template.metadata, annotations: {} };
  assert.ok(findNewSet(d, [set]));
  Object.assign(d.spec.template.spec ?? {}, { securityContext: {} });
  assert.equal(findNewSet(d, [set]), undefined);
});

test("buildNewSet is named, labelled and selected by the template's hash", () => {
  const d = deployment({ replicas: 10, maxSurge: 2, annotations: { note: "x", [REVISION]: "4" } });
  const set = buildNewSet(d, [replicaSet("old", { replicas: 9 })], 5n);
  const hash = set.metadata.labels?.["pod-template-hash"] ?? "";
  assert.match(hash, /^[a-z0-9]{6,10}$/);
  assert.equal(set.metadata.name, `web-${hash}`);
  assert.equal(set.spec?.selector.matchLabels?.["pod-template-hash"], hash);
  assert.equal(set.spec?.template?.metadata?.labels?.["pod-template-hash"], hash);
  assert.equal(set.spec?.replicas, 3);
  assert.equal(set.metadata.ownerReferences?.[0]?.uid, "d");
  assert.deepEqual(set.metadata.annotations, {
    note: "x",
    [REVISION]: "5",
    "deployment.kubernetes.io/desired-replicas": "10",
    "deployment.kubernetes.io/max-replicas": "12",
  });
  const collided = buildNewSet({ ...d, status: { collisionCount: 1 } }, [], 5n);
  assert.notEqual(collided.metadata.name, set.metadata.name);
});

test("annotationsForNewSet raises the revision of a set that is rolled back to, and keeps its history", () => {
  const d = deployment({ replicas: 1, annotations: { cause: "undo" } });
  const before = { [REVISION]: "2", [REVISION_HISTORY]: "1", cause: "first" };
  assert.deepEqual(annotationsForNewSet(d, before, 4n), { cause: "undo", [REVISION]: "4", [REVISION_HISTORY]: "1,2" });
  assert.equal(annotationsForNewSet(d, { [REVISION]: "7" }, 4n)[REVISION], "7");
});

test("nextRevision counts beyond what a JavaScript number holds, and starts anew from what is no revision", () => {
  const at = (revision: string) => replicaSet("r", { replicas: 0, annotations: { [REVISION]: revision } });
  assert.equal(nextRevision([at("3546343826724305832"), at("7")]), 3546343826724305833n);
  assert.equal(nextRevision([at("9223372036854775808"), at("x")]), 1n);
});

test("planCleanup removes the lowest revisions beyond the limit that are idle", () => {
  const old = (name: string, revision: string, replicas = 0) =>
    replicaSet(name, { replicas, annotations: { [REVISION]: revision } });
  const sets = [old("r10", "10"), old("r2", "2"), old("r3", "3", 1), old("r4", "4")];
  const names = (limit: number) =>
    planCleanup(deployment({ replicas: 1, historyLimit: limit }), sets).map((s) => s.metadata.name);
  assert.deepEqual(names(2), ["r2"]);
  assert.deepEqual(names(0), ["r2", "r4", "r10"]);
  assert.deepEqual(planCleanup(deployment({ replicas: 1 }), sets), []);
  const unseen = replicaSet("u", { replicas: 0, observed: 0, annotations: { [REVISION]: "1" } });
  assert.deepEqual(planCleanup(deployment({ replicas: 1, historyLimit: 0 }), [unseen]), []);
});
