// What the graph of owners asks to be looked at, and what is decided then.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ObjectMeta, OwnerReference } from "@skiff/api/types.ts";
import type { GraphWork } from "./owner-graph.ts";
import { blockingDependents, OwnerGraph } from "./owner-graph.ts";
import { planByOwners } from "./plan-owners.ts";

function object(uid: string, owners: string[] = [], extra: Partial<ObjectMeta> = {}, blocks = true): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: uid,
      uid,
      namespace: "ns",
      resourceVersion: "1",
      creationTimestamp: "",
      ownerReferences: owners.map((owner) => reference(owner, blocks)),
      ...extra,
    },
  };
}

const reference = (uid: string, blockOwnerDeletion = true): OwnerReference => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  name: uid,
  uid,
  blockOwnerDeletion,
});
const uids = (nodes: GraphWork["attemptToDelete"]) => nodes.map(({ identity }) => identity.uid).sort();
const leaving = (...finalizers: string[]) => ({ deletionTimestamp: "2026-01-01T00:00:00Z", finalizers });

test("owner graph asks about an owner that it has not seen, once", () => {
  const graph = new OwnerGraph();
  assert.deepEqual(uids(graph.observe(object("pod", ["set"])).attemptToDelete), ["set"]);
  assert.ok(graph.get("set")?.isVirtual);
  assert.deepEqual(uids(graph.observe(object("set")).attemptToDelete), []);
  assert.ok(!graph.get("set")?.isVirtual);
  assert.deepEqual(uids(graph.observe(object("pod-2", ["set"])).attemptToDelete), []);
});

test("owner graph looks at the dependents of what is gone", () => {
  const graph = new OwnerGraph();
  for (const item of [object("set"), object("a", ["set"]), object("b", ["set", "other"])]) graph.observe(item);
  assert.deepEqual(uids(graph.remove("set").attemptToDelete), ["a", "b"]);
  assert.deepEqual(uids(graph.remove("a").attemptToDelete), []);
  graph.remove("b");
  assert.equal(graph.size, 0);
});

test("owner graph drops a virtual owner with its last dependent", () => {
  const graph = new OwnerGraph();
  graph.observe(object("a", ["gone"]));
  assert.deepEqual(uids(graph.confirmAbsent("gone").attemptToDelete), ["a"]);
  graph.observe(object("a"));
  assert.equal(graph.get("gone"), undefined);
});

test("owner graph sends dependents ahead of an owner in foreground deletion, and looks at it again as they go", () => {
  const graph = new OwnerGraph();
  for (const item of [object("set"), object("a", ["set"]), object("b", ["set"], {}, false)]) graph.observe(item);
  const work = graph.observe(object("set", [], leaving("foregroundDeletion")));
  assert.deepEqual(uids(work.attemptToDelete), ["a", "b", "set"]);
  const set = graph.get("set");
  assert.ok(set);
  assert.deepEqual(uids(blockingDependents(set)), ["a"]);
  assert.deepEqual(uids(graph.remove("a").attemptToDelete), ["set"]);
  assert.deepEqual(blockingDependents(set), []);
  assert.ok(uids(graph.observe(object("late", ["set"])).attemptToDelete).includes("late"));
});

test("owner graph asks to orphan the dependents of an owner that leaves with that finalizer", () => {
  const graph = new OwnerGraph();
  graph.observe(object("set"));
  const work = graph.observe(object("set", [], leaving("orphan")));
  assert.deepEqual([uids(work.attemptToOrphan), uids(work.attemptToDelete)], [["set"], []]);
});

test("owner graph looks at a dependent whose reference names an owner in another namespace", () => {
  const graph = new OwnerGraph();
  graph.observe(object("set"));
  const stranger = object("a", ["set"], { namespace: "elsewhere" });
  assert.deepEqual(uids(graph.observe(stranger).attemptToDelete), ["a"]);
});

test("planByOwners keeps what has an owner, frees it of those that are gone, and deletes the rest", () => {
  const solid = { reference: reference("s"), state: "solid" } as const;
  const dangling = { reference: reference("d"), state: "dangling" } as const;
  const waiting = { reference: reference("w"), state: "waiting" } as const;
  assert.deepEqual(planByOwners([], [], false), { action: "keep" });
  assert.deepEqual(planByOwners([solid], [], false), { action: "keep" });
  assert.deepEqual(planByOwners([solid, dangling, waiting], [], false), { action: "dropOwners", uids: ["d", "w"] });
  assert.deepEqual(planByOwners([dangling], [], true), { action: "delete", propagationPolicy: "Background" });
  assert.deepEqual(planByOwners([waiting], [], true), { action: "delete", propagationPolicy: "Foreground" });
  assert.deepEqual(planByOwners([waiting], [], false), { action: "delete", propagationPolicy: "Background" });
  assert.deepEqual(planByOwners([dangling], ["orphan"], true), { action: "delete", propagationPolicy: "Orphan" });
});
