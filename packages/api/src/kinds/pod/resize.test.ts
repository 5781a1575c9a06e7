// Which changes of a running pod's resources are taken.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../../generated/types.ts";
import { created, judgeNew } from "../judge.ts";
import { podKind } from "./pod.ts";
import { resizeRules } from "./resize.ts";

const burstable = { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: "200m", memory: "128Mi" } };
const container = (name: string, extra: object = {}) => ({ name, image: "i:1", resources: burstable, ...extra });
const podOf = (spec: object = {}) =>
  created(podKind, { spec: { containers: [container("a"), container("b")], ...spec } });

function resize(previous: Pod, change: (next: Pod) => void): { pod: Pod; errors: string[] } {
  const pod = structuredClone(previous);
  change(pod);
  podKind.applyDefaults(pod);
  resizeRules.prepareForUpdate(pod, previous, "2026-01-01T00:00:01Z");
  return { pod, errors: resizeRules.validateUpdate(pod, previous).map(({ field, detail }) => `${field}: ${detail}`) };
}

const resourcesOf = (pod: Pod, i = 0) => pod.spec.containers[i]?.resources ?? {};

test("a resize changes resources and resize policies, counts as a change, and drops all else", () => {
  const { pod, errors } = resize(podOf(), (next) => {
    resourcesOf(next).limits = { cpu: "300m", memory: "96Mi" };
    next.spec.containers[1]!.resizePolicy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
    next.spec.containers[0]!.image = "other:1";
    next.spec.activeDeadlineSeconds = 5;
    next.metadata.labels = { a: "b" };
  });
  // The policy cannot change once a pod exists, as upstream compares the whole container.
  assert.deepEqual(errors, ["spec: only cpu and memory resources are mutable"]);
  assert.deepEqual(resourcesOf(pod).limits, { cpu: "300m", memory: "96Mi" });
  assert.equal(pod.spec.containers[0]?.image, "i:1");
  assert.equal(pod.spec.activeDeadlineSeconds, undefined);
  assert.equal(pod.metadata.labels, undefined);
  assert.equal(pod.metadata.generation, 2);
  const same = resize(podOf(), () => {});
  assert.deepEqual([same.errors, same.pod.metadata.generation ?? 1], [[], 1]);
  const plain = resize(podOf(), (next) => {
    resourcesOf(next, 1).requests = { cpu: "150m", memory: "64Mi" };
  });
  assert.deepEqual(plain.errors, []);
});

test("a resize keeps the class of service and what is set, and asks for no more than the limit", () => {
  const removed = resize(podOf(), (next) => {
    resourcesOf(next).limits = { memory: "128Mi" };
  });
  assert.deepEqual(removed.errors, ["spec.containers[0].resources.limits: resource limits cannot be removed"]);
  const guaranteed = resize(podOf(), (next) => {
    for (const i of [0, 1]) resourcesOf(next, i).requests = { ...burstable.limits };
  });
  assert.deepEqual(guaranteed.errors, ["spec: Pod QOS Class may not change as a result of resizing"]);
  const beyond = resize(podOf(), (next) => {
    resourcesOf(next).requests = { cpu: "1", memory: "64Mi" };
  });
  assert.match(beyond.errors.join(), /requests: must be less than or equal to cpu limit of 200m/);
  const storage = resize(podOf(), (next) => {
    resourcesOf(next).limits = { ...burstable.limits, "ephemeral-storage": "1Gi" };
  });
  assert.deepEqual(storage.errors, ["spec: only cpu and memory resources are mutable"]);
});

test("a resize adds, removes and renames no container", () => {
  const added = resize(podOf(), (next) => {
    next.spec.containers.push(container("c") as never);
  });
  assert.deepEqual(added.errors, ["spec.containers: containers may not be added or removed on resize"]);
  const moved = resize(podOf(), (next) => {
    next.spec.containers.reverse();
  });
  const detail = "containers may not be renamed or reordered on resize";
  assert.deepEqual(moved.errors, [`spec.containers[0].name: ${detail}`, `spec.containers[1].name: ${detail}`]);
});

test("init containers are resized; one that is no sidecar cannot be restarted for it", () => {
  const resizePolicy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
  const pod = podOf({
    initContainers: [
      container("side", { restartPolicy: "Always", resizePolicy }),
      container("init"),
      container("picky", { resizePolicy }),
    ],
  });
  const raise = (i: number) => (next: Pod) => {
    next.spec.initContainers![i]!.resources!.limits = { cpu: "1", memory: "128Mi" };
  };
  assert.deepEqual([resize(pod, raise(0)).errors, resize(pod, raise(1)).errors], [[], []]);
  assert.deepEqual(resize(pod, raise(2)).errors, [
    "spec.initContainers[2]: non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
  ]);
  const storage = resize(pod, (next) => {
    next.spec.initContainers![1]!.resources!.limits = { ...burstable.limits, "ephemeral-storage": "1Gi" };
  });
  assert.deepEqual(storage.errors, [
    "spec.initContainers[1]: only cpu and memory resources for init or sidecar containers are mutable",
  ]);
});

test("resources of the pod as a whole are resized, and added, but not taken away", () => {
  const own = { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "2", memory: "1Gi", "hugepages-2Mi": "4Mi" } };
  const to = (resources: Pod["spec"]["resources"]) => (next: Pod) => {
    if (resources) next.spec.resources = resources;
    else delete next.spec.resources;
  };
  const pages = { "hugepages-2Mi": "4Mi" };
  const pod = podOf({ resources: structuredClone(own) });
  const next = { requests: { cpu: "500m", memory: "1Gi", ...pages }, limits: { cpu: "3", memory: "2Gi", ...pages } };
  const { pod: resized, errors } = resize(pod, to(next));
  assert.deepEqual([errors, resized.spec.resources, resized.metadata.generation], [[], next, 2]);
  assert.deepEqual(resize(podOf(), to({ limits: { cpu: "2", memory: "1Gi" } })).errors, []);
  assert.deepEqual(resize(pod, to(undefined)).errors, ["spec.resources: pod-level resources cannot be removed"]);
  assert.deepEqual(resize(pod, to({ requests: next.requests, limits: { cpu: "3", ...pages } })).errors, [
    "spec.resources.limits: pod-level resource limits cannot be removed",
  ]);
  const more = { "hugepages-2Mi": "8Mi" };
  const huge = { requests: { ...next.requests, ...more }, limits: { ...next.limits, ...more } };
  assert.deepEqual(resize(pod, to(huge)).errors, ["spec: only cpu and memory resources are mutable at pod-level"]);
  const low = { ...next, limits: { ...next.limits, cpu: "150m" }, requests: { ...next.requests, cpu: "150m" } };
  assert.deepEqual(resize(pod, to(low)).errors, [
    "spec.resources.requests[cpu]: must be greater than or equal to aggregate container requests of 200m",
    "spec.resources.containers[0][cpu].limits: must be less than or equal to pod limits of 150m",
    "spec.resources.containers[1][cpu].limits: must be less than or equal to pod limits of 150m",
  ]);
});

test("a resize is refused for pods that cannot have one", () => {
  const raise = (next: Pod) => {
    resourcesOf(next).limits = { cpu: "300m", memory: "128Mi" };
  };
  const mirror = podOf({ nodeName: "n1" });
  mirror.metadata.annotations = { "kubernetes.io/config.mirror": "x" };
  assert.deepEqual(resize(mirror, raise).errors, ["[]: static pods cannot be resized"]);
  const old = podOf();
  const status = { name: "a", image: "", imageID: "", ready: true, restartCount: 0, state: { running: {} } };
  old.status = { ...old.status, containerStatuses: [status] };
  assert.deepEqual(resize(old, raise).errors, ["spec: Pod running on node without support for resize"]);
});

test("a pod that runs once has no container that restarts for a resize", () => {
  const resizePolicy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
  const once = { spec: { restartPolicy: "Never", containers: [container("a", { resizePolicy })] } };
  assert.deepEqual(judgeNew(podKind, once), [
    "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'",
  ]);
});
