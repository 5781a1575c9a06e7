// Grace, finalizers and preconditions of deletion.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { storageKind } from "../storage/stored-object.ts";
import { type DeleteOptions, finishesDeletion, planDeletion } from "./deletion-rules.ts";

const META = { uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
const NOW = Date.parse("2026-01-01T00:00:00Z");

function kindOf(plural: string) {
  const definition = findKind("", plural);
  assert.ok(definition);
  return storageKind(definition);
}

function pod(metadata: object = {}, spec: object = {}, status: object = {}): KubeObject {
  const object = {
    metadata: { ...META, name: "p", namespace: "d", generation: 1, ...metadata },
    spec: { nodeName: "n", terminationGracePeriodSeconds: 30, containers: [], ...spec },
    status,
  };
  return object;
}

function plan(object: KubeObject, options: DeleteOptions, plural = "pods") {
  return planDeletion(kindOf(plural), object, options, NOW);
}

test("planDeletion gives a running pod its grace and counts one change", () => {
  const { object } = plan(pod(), {}) as { object: KubeObject };
  assert.equal(object.metadata.deletionTimestamp, "2026-01-01T00:00:30Z");
  assert.equal(object.metadata.deletionGracePeriodSeconds, 30);
  assert.equal(object.metadata.generation, 2);
});

test("planDeletion removes unscheduled and finished pods at once", () => {
  assert.equal(plan(pod({}, { nodeName: "" }), {}).type, "remove");
  assert.equal(plan(pod({}, {}, { phase: "Succeeded" }), {}).type, "remove");
  assert.equal(plan(pod(), { gracePeriodSeconds: 0 }).type, "remove");
});

test("planDeletion only ever shortens the grace of a pod that is being deleted", () => {
  const going = { deletionTimestamp: "2026-01-01T00:00:30Z", deletionGracePeriodSeconds: 30 };
  assert.equal(plan(pod(going), { gracePeriodSeconds: 60 }).type, "unchanged");
  assert.equal(plan(pod(going), { gracePeriodSeconds: 30 }).type, "unchanged");
  const { object } = plan(pod(going), { gracePeriodSeconds: 10 }) as { object: KubeObject };
  assert.equal(object.metadata.deletionTimestamp, "2026-01-01T00:00:10Z");
  assert.equal(object.metadata.generation, 1);
  assert.equal(plan(pod(going), { gracePeriodSeconds: 0 }).type, "remove");
});

test("planDeletion turns the propagation policy into the garbage collector's finalizers", () => {
  const finalizersAfter = (options: DeleteOptions, finalizers: string[], plural = "configmaps") => {
    const planned = plan({ metadata: { ...META, name: "c", finalizers } }, options, plural);
    return planned.type === "mark" ? planned.object.metadata.finalizers : planned.type;
  };
  assert.deepEqual(finalizersAfter({ propagationPolicy: "Foreground" }, []), ["foregroundDeletion"]);
  assert.deepEqual(finalizersAfter({ propagationPolicy: "Orphan" }, ["a/b"]), ["a/b", "orphan"]);
  assert.deepEqual(finalizersAfter({ orphanDependents: true }, []), ["orphan"]);
  assert.equal(finalizersAfter({ propagationPolicy: "Background" }, ["foregroundDeletion"]), "remove");
  assert.deepEqual(finalizersAfter({}, ["a/b"]), ["a/b"]);
  assert.deepEqual(finalizersAfter({}, [], "replicationcontrollers"), ["orphan"]);
  assert.deepEqual(finalizersAfter({}, ["foregroundDeletion"], "replicationcontrollers"), ["foregroundDeletion"]);
  assert.equal(finalizersAfter({ propagationPolicy: "Background" }, [], "replicationcontrollers"), "remove");
});

test("planDeletion keeps a namespace, Terminating, while it has finalizers", () => {
  const namespace = {
    metadata: { ...META, name: "n" },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  };
  const { object } = plan(namespace, {}, "namespaces") as { object: KubeObject };
  assert.deepEqual((object as KubeObject & { status?: object }).status, { phase: "Terminating" });
  assert.equal(finishesDeletion(kindOf("namespaces"), object), false);
  assert.equal(plan({ metadata: { ...META, name: "n" } }, {}, "namespaces").type, "remove");
});

test("finishesDeletion waits for grace and finalizers", () => {
  const kind = kindOf("pods");
  const deletionTimestamp = "2026-01-01T00:00:30Z";
  assert.equal(finishesDeletion(kind, pod({ deletionTimestamp, deletionGracePeriodSeconds: 30 })), false);
  assert.equal(
    finishesDeletion(kind, pod({ deletionTimestamp, deletionGracePeriodSeconds: 0, finalizers: ["a/b"] })),
    false,
  );
  assert.equal(finishesDeletion(kind, pod({ deletionTimestamp, deletionGracePeriodSeconds: 0 })), true);
});
