// Taints by condition, and when they evict.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Taint } from "@skiff/api/types.ts";
import { planTaints } from "./plan-taints.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

function node(conditions: Record<string, string>, taints: Taint[] = [], unschedulable = false): Node {
  return {
    metadata: { name: "n", uid: "n", resourceVersion: "1", creationTimestamp: "" },
    spec: { taints, ...(unschedulable ? { unschedulable } : {}) },
    status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) },
  };
}

const short = (taints: readonly Taint[] | undefined) =>
  taints?.map(({ key, effect }) => `${key.replace("node.kubernetes.io/", "")}:${effect}`);
const NOT_READY = { key: "node.kubernetes.io/not-ready", effect: "NoExecute", timeAdded: "2025-01-01T00:00:00Z" };

test("planTaints marks bad conditions with NoSchedule at once", () => {
  const plan = planTaints(node({ Ready: "True", DiskPressure: "True", PIDPressure: "False" }, [], true), "held", NOW);
  assert.deepEqual(short(plan.taints), ["disk-pressure:NoSchedule", "unschedulable:NoSchedule"]);
  assert.equal(plan.taints?.[0]?.timeAdded, "2026-01-01T00:00:00Z");
  assert.equal(plan.waitsForEviction, false);
});

test("planTaints holds NoExecute back until the zone's queue lets the node through", () => {
  const silent = node({ Ready: "Unknown" });
  const held = planTaints(silent, "held", NOW);
  assert.deepEqual([short(held.taints), held.waitsForEviction], [["unreachable:NoSchedule"], true]);
  assert.deepEqual(short(planTaints(silent, "released", NOW).taints), [
    "unreachable:NoSchedule",
    "unreachable:NoExecute",
  ]);
});

test("planTaints swaps one NoExecute for the other without waiting", () => {
  const plan = planTaints(node({ Ready: "Unknown" }, [NOT_READY]), "held", NOW);
  assert.deepEqual(
    [short(plan.taints), plan.waitsForEviction],
    [["unreachable:NoSchedule", "unreachable:NoExecute"], false],
  );
});

test("planTaints clears its own taints when all is well and leaves those of others", () => {
  const theirs = { key: "dedicated", value: "x", effect: "NoExecute" };
  assert.deepEqual(planTaints(node({ Ready: "True" }, [theirs, NOT_READY]), "held", NOW).taints, [theirs]);
  assert.equal(planTaints(node({ Ready: "True" }, [theirs]), "held", NOW).taints, undefined);
});

test("planTaints keeps times of taints that stay, and evicts nobody when all zones are down", () => {
  const schedule = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule", timeAdded: "2025-01-01T00:00:00Z" };
  const down = node({ Ready: "False" }, [schedule, NOT_READY]);
  assert.equal(planTaints(down, "held", NOW).taints, undefined);
  assert.deepEqual(planTaints(down, "off", NOW), { taints: [schedule], waitsForEviction: false });
});

test("planTaints keeps admission's taint on a node that has reported nothing", () => {
  const schedule = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };
  assert.equal(planTaints(node({}, [schedule]), "held", NOW).taints, undefined);
});
