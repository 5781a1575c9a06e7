// Whom a critical pod displaces, by quality of service and by what is missing.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { planPreemption } from "./plan-preemption.ts";

function pod(name: string, priority: number, requests: Record<string, string> = {}, guaranteed = false): Pod {
  const resources = guaranteed ? { requests, limits: requests } : { requests };
  const made = samplePod({ priority, containers: [sampleContainer("c", { resources })] });
  return { ...made, metadata: { ...made.metadata, name, uid: name } };
}

const CRITICAL = 2_000_000_000;
const critical = pod("critical", CRITICAL, { cpu: "1" });
const cpu = (amount: number) => [{ resource: "cpu", amount }];
const names = (pods: readonly Readonly<Pod>[] | undefined) => pods?.map(({ metadata }) => metadata.name);

test("planPreemption takes the one pod that is enough, and of two such the smaller", () => {
  const running = [
    pod("small", 0, { cpu: "100m" }),
    pod("large", 0, { cpu: "900m" }),
    pod("fitting", 0, { cpu: "500m" }),
  ];
  assert.deepEqual(names(planPreemption(critical, running, cpu(400))), ["fitting"]);
  assert.deepEqual(names(planPreemption(critical, running, cpu(950))), ["large", "small"]);
});

test("planPreemption spares guaranteed pods while burstable ones suffice", () => {
  const solid = pod("solid", 0, { cpu: "500m", memory: "1Gi" }, true);
  const running = [solid, pod("a", 0, { cpu: "300m" }), pod("b", 0, { cpu: "300m" })];
  assert.deepEqual(names(planPreemption(critical, running, cpu(600)))?.toSorted(), ["a", "b"]);
  assert.ok(names(planPreemption(critical, running, cpu(900)))?.includes("solid"));
});

test("planPreemption makes room for one more pod by a pod that asks for nothing", () => {
  const running = [pod("busy", 0, { cpu: "1" }), pod("idle", 0)];
  assert.deepEqual(names(planPreemption(critical, running, [{ resource: "pods", amount: 1 }])), ["idle"]);
});

test("planPreemption gives up where all of the others are not enough, and never displaces its equals", () => {
  assert.equal(planPreemption(critical, [pod("a", 0, { cpu: "1" })], cpu(1500)), undefined);
  assert.equal(planPreemption(critical, [pod("equal", CRITICAL, { cpu: "1" })], cpu(100)), undefined);
  assert.equal(planPreemption(pod("plain", 100), [pod("a", 0, { cpu: "1" })], cpu(100)), undefined);
  const higher = pod("higher", CRITICAL + 1);
  assert.deepEqual(names(planPreemption(higher, [pod("equal", CRITICAL, { cpu: "1" })], cpu(100))), ["equal"]);
});
