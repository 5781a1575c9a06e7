// Resizes from what a spec asks for to what pod and containers get.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, ResourceRequirements } from "@skiff/api/types.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import { allocationOf, withAllocation } from "./allocated-pod.ts";
import type { ResizeFacts } from "./decide-resize.ts";
import { decideResize } from "./decide-resize.ts";
import { needsRestart, planResize } from "./plan-resize.ts";
import { PodResizer } from "./pod-resizer.ts";
import { ResourceState } from "./resource-state.ts";

const amounts = (cpu: string, memory: string): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});
const podWith = (resources: Record<string, ResourceRequirements>, metadata: Partial<Pod["metadata"]> = {}) =>
  samplePod(
    { containers: Object.entries(resources).map(([name, own]) => sampleContainer(name, { resources: own })) },
    metadata,
  );
const MIB = 1024 * 1024;
const roomy: ResizeFacts = {
  allocatable: { cpu: "2", memory: "1Gi" },
  cpuManagerPolicy: "none",
  memoryManagerPolicy: "None",
  isSwapping: false,
  admit: () => ({ admitted: true }),
};

test("decideResize tells what will never fit from what does not fit now", () => {
  const before = podWith({ c: amounts("1", "100Mi") });
  assert.deepEqual(decideResize(podWith({ c: amounts("2", "100Mi") }), before, roomy), { fits: true });
  assert.deepEqual(decideResize(podWith({ c: amounts("3", "100Mi") }), before, roomy), {
    fits: false,
    reason: "Infeasible",
    message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
  });
  const full: ResizeFacts = { ...roomy, admit: () => ({ admitted: false, reason: "OutOfcpu", message: "no room" }) };
  const later = decideResize(podWith({ c: amounts("2", "100Mi") }), before, full);
  assert.deepEqual(later, { fits: false, reason: "Deferred", message: "no room" });
  const pinned = decideResize(podWith({ c: amounts("2", "100Mi") }), before, { ...roomy, cpuManagerPolicy: "static" });
  assert.match(pinned.fits ? "" : pinned.message, /infeasible for Guaranteed Pods alongside CPU Manager/);
  const swapped = decideResize(
    podWith({ a: amounts("1", "1Mi"), b: amounts("500m", "1Mi") }),
    podWith({ a: amounts("500m", "1Mi"), b: amounts("1", "1Mi") }),
    { ...roomy, cpuManagerPolicy: "static" },
  );
  assert.equal(swapped.fits, false, "the sum is the same, but each container's processors are not");
});

test("planResize raises the pod before its containers and lowers it after them; what shrinks makes room first", () => {
  const before = podWith({ a: amounts("1", "100Mi"), b: amounts("1", "100Mi") });
  const runtime = sampleRuntime([sampleState("a"), sampleState("b")]);
  const actuated = allocationOf(before);
  const grown = planResize(podWith({ a: amounts("1", "300Mi"), b: amounts("1", "50Mi") }), runtime, actuated);
  assert.deepEqual(
    grown.steps.map((step) => (step.kind === "pod" ? step.limits : [step.name, step.resources])),
    [{ memoryBytes: 350 * MIB }, ["b", { memoryLimitInBytes: 50 * MIB }], ["a", { memoryLimitInBytes: 300 * MIB }]],
  );
  assert.deepEqual(grown.shrinking, [{ container: { name: "b", id: "b-0" }, memoryBytes: 50 * MIB }]);
  const less = planResize(podWith({ a: amounts("500m", "100Mi"), b: amounts("1", "100Mi") }), runtime, actuated);
  assert.deepEqual(
    less.steps.map((step) => (step.kind === "pod" ? step.limits : [step.name, step.resources])),
    [["a", { cpuShares: 512, cpuQuota: 50_000, cpuPeriod: 100_000 }], { cpuShares: 1536, cpuQuotaUs: 150_000 }],
  );
  const stopped = planResize(
    podWith({ a: amounts("500m", "100Mi"), b: amounts("1", "100Mi") }),
    sampleRuntime([sampleState("a", { state: "exited" }), sampleState("b")]),
    actuated,
  );
  assert.deepEqual(
    stopped.steps.map(({ kind }) => kind),
    ["pod"],
    "a stopped container gets its resources at its start",
  );
});

const sized = (own: ResourceRequirements, resources: Record<string, ResourceRequirements>) => {
  const pod = podWith(resources);
  return { ...pod, spec: { ...pod.spec, resources: own } };
};
const stepsOf = (plan: ReturnType<typeof planResize>) =>
  plan.steps.map((step) => (step.kind === "pod" ? step.limits : [step.name, step.resources]));

test("planResize raises the pod as a whole first, and with it the containers that have no limit of their own", () => {
  const runtime = sampleRuntime([sampleState("free"), sampleState("bound")]);
  const own = { free: {}, bound: amounts("500m", "100Mi") };
  const before = sized(amounts("1", "200Mi"), own);
  const cpu = { cpuShares: 2048, cpuQuota: 200_000, cpuPeriod: 100_000 };
  const grown = planResize(sized(amounts("2", "400Mi"), own), runtime, allocationOf(before));
  assert.deepEqual(stepsOf(grown), [
    { memoryBytes: 400 * MIB },
    ["free", { memoryLimitInBytes: 400 * MIB }],
    { cpuQuotaUs: 200_000, cpuShares: 2048 },
    ["free", cpu],
  ]);
  assert.deepEqual(grown.shrinking, []);
  const shrunk = planResize(
    sized(amounts("2", "150Mi"), own),
    runtime,
    allocationOf(sized(amounts("2", "200Mi"), own)),
  );
  assert.deepEqual(stepsOf(shrunk), [["free", { memoryLimitInBytes: 150 * MIB }], { memoryBytes: 150 * MIB }]);
  assert.deepEqual(shrunk.shrinking, [
    { memoryBytes: 150 * MIB },
    { container: { name: "free", id: "free-0" }, memoryBytes: 150 * MIB },
  ]);
  const first = planResize(sized({ limits: { memory: "1Gi" } }, own), runtime, allocationOf(podWith(own)));
  assert.deepEqual(
    stepsOf(first),
    [["free", { memoryLimitInBytes: 1024 * MIB }], { memoryBytes: 1024 * MIB }],
    "a limit where there was none shrinks the pod",
  );
});

test("planResize leaves whoever has processors of its own without a quota", () => {
  const quotas = { isOn: true, hasOwnCpus: (_: unknown, name?: string) => name !== "b" };
  const runtime = sampleRuntime([sampleState("a"), sampleState("b")]);
  const before = podWith({ a: amounts("1", "1Mi"), b: amounts("500m", "1Mi") });
  const after = podWith({ a: amounts("2", "1Mi"), b: amounts("600m", "1Mi") });
  assert.deepEqual(stepsOf(planResize(after, runtime, allocationOf(before), quotas)), [
    { cpuShares: 2662 },
    ["a", { cpuShares: 2048, cpuQuota: -1, cpuPeriod: 100_000 }],
    ["b", { cpuShares: 614, cpuQuota: 60_000, cpuPeriod: 100_000 }],
  ]);
});

test("needsRestart heeds the policy of what changed only", () => {
  const container = sampleContainer("c", {
    resources: amounts("1", "100Mi"),
    resizePolicy: [{ resourceName: "memory", restartPolicy: "RestartContainer" }],
  });
  assert.equal(needsRestart(container, amounts("2", "100Mi")), false);
  assert.equal(needsRestart(container, amounts("1", "200Mi")), true);
  assert.equal(needsRestart(container, amounts("1000m", "102400Ki")), false, "the same amounts in other words");
});

test("ResourceState survives as its file, and refuses one that was damaged", async () => {
  let text: string | undefined;
  const save = (next: string) => {
    text = next;
  };
  const file = { read: async () => text, save };
  const state = new ResourceState(file);
  const granted = { pod: amounts("2", "2Gi"), containers: { c: amounts("1", "1Gi") } };
  state.set("u", granted);
  const again = new ResourceState(file);
  await again.restore();
  assert.deepEqual(again.get("u"), granted);
  text = text?.replace("1Gi", "2Gi");
  await assert.rejects(new ResourceState(file).restore(), /checkpoint is corrupted/);
});

function makeResizer(pods: Pod[], facts: () => ResizeFacts) {
  const said: string[] = [];
  const done: unknown[] = [];
  const woken: string[] = [];
  const noFile = { read: async () => undefined, save: () => {} };
  const resizer = new PodResizer({
    allocated: new ResourceState(noFile),
    actuated: new ResourceState(noFile),
    events: { pod: (_pod, _type, reason, message) => said.push(`${reason} ${message}`) },
    find: (uid) => pods.find(({ metadata }) => metadata.uid === uid),
    facts,
    wake: (uid) => woken.push(uid),
    setPodLimits: async (_pod, limits) => void done.push(limits),
    updateContainer: async (id, resources) => void done.push([id, resources]),
    memoryUsage: async () => 60 * MIB,
  });
  return { resizer, said, done, woken };
}

test("PodResizer grants, carries out and reports a resize", async () => {
  const before = podWith({ c: amounts("1", "100Mi") });
  const { resizer, said, done } = makeResizer([], () => roomy);
  resizer.admitted(before);
  resizer.evaluate(before);
  assert.deepEqual(resizer.conditions(before), []);
  const wanted = podWith({ c: amounts("1", "200Mi") }, { generation: 2 });
  resizer.evaluate(wanted);
  assert.deepEqual(resizer.conditions(wanted), [
    { type: "PodResizeInProgress", status: "True", observedGeneration: 2 },
  ]);
  assert.deepEqual(resizer.actuatedPod(wanted).spec, before.spec);
  assert.equal(await resizer.actuate(resizer.allocatedPod(wanted), sampleRuntime([sampleState("c")])), "done");
  assert.deepEqual(done, [{ memoryBytes: 200 * MIB }, ["c-0", { memoryLimitInBytes: 200 * MIB }]]);
  assert.deepEqual(resizer.conditions(wanted), []);
  const resources = '"resources":{"limits":{"cpu":"1","memory":"200Mi"},"requests":{"cpu":"1","memory":"200Mi"}}';
  assert.deepEqual(said, [
    `ResizeStarted Pod resize started: {"containers":[{"name":"c",${resources}}],"generation":2}`,
    `ResizeCompleted Pod resize completed: {"containers":[{"name":"c",${resources}}],"generation":2}`,
  ]);
});

test("PodResizer resizes a pod as a whole, tells of it, and waits for no container that has ended for good", async () => {
  const once = (own: ResourceRequirements): Pod => {
    const pod = sized(own, { c: {}, done: {} });
    return { ...pod, spec: { ...pod.spec, restartPolicy: "Never" } };
  };
  const { resizer, said, done } = makeResizer([], () => roomy);
  resizer.admitted(once(amounts("1", "100Mi")));
  const wanted = once(amounts("2", "100Mi"));
  resizer.evaluate(wanted);
  assert.deepEqual(resizer.allocatedPod(wanted).spec.resources, amounts("2", "100Mi"));
  assert.deepEqual(resizer.actuatedPod(wanted).spec.resources, amounts("1", "100Mi"));
  const runtime = sampleRuntime([sampleState("c"), sampleState("done", { state: "exited" })]);
  assert.equal(await resizer.actuate(wanted, runtime), "done");
  assert.deepEqual(done, [
    { cpuQuotaUs: 200_000, cpuShares: 2048 },
    ["c-0", { cpuShares: 2048, cpuQuota: 200_000, cpuPeriod: 100_000 }],
  ]);
  assert.deepEqual([resizer.actuatedPod(wanted).spec, resizer.conditions(wanted)], [wanted.spec, []]);
  const own = '"resources":{"limits":{"cpu":"2","memory":"100Mi"},"requests":{"cpu":"2","memory":"100Mi"}}';
  const containers = '"containers":[{"name":"c","resources":{}},{"name":"done","resources":{}}]';
  assert.equal(said.at(-1), `ResizeCompleted Pod resize completed: {${own},${containers},"generation":1}`);
});

test("PodResizer does not take memory away that is in use, and says so until it can", async () => {
  const before = podWith({ c: amounts("1", "100Mi") });
  const { resizer, done, said } = makeResizer([], () => roomy);
  resizer.admitted(before);
  const wanted = podWith({ c: amounts("1", "50Mi") }, { generation: 2 });
  resizer.evaluate(wanted);
  const runtime = sampleRuntime([sampleState("c")]);
  for (const _ of [1, 2])
    await assert.rejects(
      resizer.actuate(resizer.allocatedPod(wanted), runtime),
      /^\w*Error: cannot decrease memory limits: \[attempting to set pod memory limit \(52428800\) below current usage \(62914560\), attempting to set container "c" memory limit/,
    );
  assert.deepEqual(done, []);
  assert.equal(resizer.conditions(wanted)[0]?.reason, "Error");
  assert.equal(said.filter((text) => text.startsWith("ResizeError")).length, 1);
});

test("PodResizer grants a deferred resize once there is room, and wakes its pod", () => {
  let isFull = true;
  const before = podWith({ c: amounts("1", "100Mi") });
  const wanted = podWith({ c: amounts("2", "100Mi") }, { generation: 2 });
  const facts = (): ResizeFacts =>
    isFull ? { ...roomy, admit: () => ({ admitted: false, reason: "OutOfcpu", message: "no room" }) } : roomy;
  const { resizer, said, woken } = makeResizer([wanted], facts);
  resizer.admitted(before);
  resizer.evaluate(wanted);
  resizer.evaluate(wanted);
  assert.deepEqual(
    resizer.conditions(wanted).map(({ type, reason, message }) => [type, reason, message]),
    [["PodResizePending", "Deferred", "no room"]],
  );
  assert.equal(said.length, 1, "told once");
  assert.deepEqual(withAllocation(wanted, allocationOf(before)).spec, resizer.allocatedPod(wanted).spec);
  isFull = false;
  resizer.forget("another");
  assert.deepEqual(woken, [wanted.metadata.uid]);
  assert.deepEqual(
    resizer.conditions(wanted).map(({ type }) => type),
    ["PodResizeInProgress"],
  );
});

test("PodResizer restarts a container whose policy asks for it, and is done once it runs again", async () => {
  const policy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
  const make = (cpu: string) =>
    samplePod({ containers: [sampleContainer("c", { resources: amounts(cpu, "100Mi"), resizePolicy: policy })] });
  const { resizer, done, said } = makeResizer([], () => roomy);
  resizer.admitted(make("1"));
  const wanted = make("2");
  resizer.evaluate(wanted);
  assert.equal(resizer.mustRestart(wanted, wanted.spec.containers[0]!), true);
  assert.equal(await resizer.actuate(wanted, sampleRuntime([sampleState("c")])), "restarting");
  assert.deepEqual(done, [{ cpuQuotaUs: 200_000, cpuShares: 2048 }]);
  assert.equal(resizer.mustRestart(wanted, wanted.spec.containers[0]!), false);
  assert.equal(await resizer.actuate(wanted, sampleRuntime([sampleState("c", { state: "exited" })])), "idle");
  assert.equal(await resizer.actuate(wanted, sampleRuntime([sampleState("c")])), "done");
  assert.match(said.at(-1) ?? "", /^ResizeCompleted/);
});
