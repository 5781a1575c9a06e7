// When a pod must leave a tainted node.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, Taint, Toleration } from "@skiff/api/types.ts";
import { evictionTime } from "./taint-eviction.ts";

const ADDED = "2026-01-01T01:00:00Z";
const SINCE = Date.parse("2026-01-01T02:00:00Z");
const taint = (key: string, extra: Partial<Taint> = {}): Taint => ({
  key,
  effect: "NoExecute",
  timeAdded: ADDED,
  ...extra,
});
const seconds = (key: string, tolerationSeconds?: number): Toleration => ({
  key,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds,
});

function pod(tolerations: Toleration[], bound = "2026-01-01T00:00:00Z"): Pod {
  return {
    metadata: { name: "p", uid: "p", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { containers: [], tolerations },
    status: { conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: bound }] },
  };
}

test("evictionTime is now for an untolerated taint, and never for a tolerated one", () => {
  assert.equal(evictionTime(pod([]), [taint("a")], SINCE), SINCE);
  assert.equal(evictionTime(pod([seconds("a")]), [taint("a")], SINCE), undefined);
  assert.equal(evictionTime(pod([]), [taint("a", { effect: "NoSchedule" })], SINCE), undefined);
});

test("evictionTime counts from the taint's own time, so a restart does not start it anew", () => {
  assert.equal(evictionTime(pod([seconds("a", 300)]), [taint("a")], SINCE), Date.parse(ADDED) + 300_000);
  const later = "2026-01-01T01:30:00Z";
  assert.equal(evictionTime(pod([seconds("a", 300)], later), [taint("a")], SINCE), Date.parse(later) + 300_000);
  const people = taint("a", { timeAdded: undefined });
  assert.equal(evictionTime(pod([seconds("a", 300)]), [people], SINCE), SINCE + 300_000);
});

test("evictionTime takes the first toleration of each taint, the soonest of several taints, and 0 or less as at once", () => {
  const all: Toleration = { operator: "Exists", tolerationSeconds: 60 };
  const both = [seconds("a", 300), all];
  assert.equal(evictionTime(pod(both), [taint("a")], SINCE), Date.parse(ADDED) + 300_000);
  assert.equal(evictionTime(pod(both), [taint("a"), taint("b")], SINCE), Date.parse(ADDED) + 60_000);
  assert.equal(evictionTime(pod([seconds("a"), all]), [taint("a")], SINCE), undefined);
  assert.equal(
    evictionTime(pod([seconds("a", 300), seconds("b", -5)]), [taint("a"), taint("b")], SINCE),
    Date.parse(ADDED),
  );
});
