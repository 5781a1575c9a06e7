// Who is claimed, adopted and released.
import assert from "node:assert/strict";
import { test } from "node:test";
import { notFound } from "@skiff/api/errors.ts";
import { selectorFromMap } from "@skiff/api/labels.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { replicaSets } from "@skiff/api/resource-ref.ts";
import type { ClaimTarget } from "./adoption.ts";
import { claim, planClaims } from "./adoption.ts";

function object(name: string, app: string, ownerUid?: string, leaves = false): KubeObject {
  const ownerReferences = ownerUid
    ? [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "o", uid: ownerUid, controller: true }]
    : [];
  const deletion = leaves ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {};
  return {
    metadata: {
      name,
      uid: name,
      namespace: "ns",
      resourceVersion: "1",
      creationTimestamp: "",
      labels: { app },
      ownerReferences,
      ...deletion,
    },
  };
}

const selector = selectorFromMap({ app: "x" });
const owner = object("owner", "o");
const names = (objects: readonly KubeObject[]) => objects.map(({ metadata }) => metadata.name);

test("planClaims keeps its own, adopts matching orphans, releases what no longer matches", () => {
  const plan = planClaims(owner, selector, [
    object("own", "x", "owner"),
    object("changed", "y", "owner"),
    object("orphan", "x"),
    object("leaving-orphan", "x", undefined, true),
    object("stranger", "x", "somebody"),
    object("unrelated", "y"),
  ]);
  assert.deepEqual([names(plan.owned), names(plan.adopt), names(plan.release)], [["own"], ["orphan"], ["changed"]]);
});

test("planClaims of an owner that is being deleted changes nothing", () => {
  const plan = planClaims(object("owner", "o", undefined, true), selector, [
    object("own", "x", "owner"),
    object("changed", "y", "owner"),
    object("orphan", "x"),
  ]);
  assert.deepEqual([names(plan.owned), names(plan.adopt), names(plan.release)], [["own"], [], []]);
});

async function adopted(live: KubeObject | undefined): Promise<string[]> {
  const patched: string[] = [];
  const target = {
    ownerRef: replicaSets,
    owners: {
      async get() {
        if (!live) throw notFound(replicaSets, "owner");
        return live;
      },
    },
    objects: {
      async patch(_: string, name: string) {
        patched.push(name);
        return object(name, "x", "owner");
      },
    },
  } as unknown as ClaimTarget<KubeObject, KubeObject>;
  const plan = planClaims(owner, selector, [object("orphan", "x")]);
  const claimed = await claim(target, owner, plan, new AbortController().signal);
  assert.deepEqual(names(claimed), patched);
  return patched;
}

test("claim adopts only for an owner that lives, under the same UID, and stays", async () => {
  assert.deepEqual(await adopted(owner), ["orphan"]);
  assert.deepEqual(await adopted(undefined), []);
  assert.deepEqual(await adopted({ metadata: { ...owner.metadata, uid: "another" } }), []);
  assert.deepEqual(await adopted(object("owner", "o", undefined, true)), []);
});
