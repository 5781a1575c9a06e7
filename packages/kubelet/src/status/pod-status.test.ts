import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, PodStatus } from "@skiff/api/types.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import { hasFinished } from "./pod-phase.ts";
import type { PodStatusInput } from "./pod-status.ts";
import { makePodStatus } from "./pod-status.ts";

const NOW = "2026-01-01T00:00:00Z";
const EARLIER = "2025-12-31T00:00:00Z";

function statusOf(pod: Pod, runtime: RuntimePod, more: Partial<PodStatusInput> = {}): PodStatus {
  return makePodStatus(pod, {
    runtime,
    reasons: new Map(),
    probes: { isStarted: () => true, isReady: () => true },
    previous: {},
    hostIps: ["192.0.2.1"],
    isTerminal: false,
    now: NOW,
    ...more,
  });
}

const condition = (status: PodStatus, type: string) => status.conditions?.find((entry) => entry.type === type);
const exited = (exitCode: number) => sampleState("c", { state: "exited", exitCode, finishedAt: 3000 });

test("makePodStatus shows a new pod as Pending with its containers being created", () => {
  const status = statusOf(samplePod(), sampleRuntime([], []));
  assert.equal(status.phase, "Pending");
  assert.deepEqual(status.containerStatuses?.[0]?.state, { waiting: { reason: "ContainerCreating" } });
  assert.equal(condition(status, "PodReadyToStartContainers")?.status, "False");
  assert.equal(condition(status, "Initialized")?.status, "True");
  assert.equal(condition(status, "Ready")?.message, "containers with unready status: [c]");
  assert.equal(status.hostIP, "192.0.2.1");
  assert.equal(status.podIP, undefined);
  assert.equal(status.qosClass, "BestEffort");
});

test("makePodStatus shows a running pod as ready with its address and start time kept", () => {
  const status = statusOf(samplePod(), sampleRuntime([sampleState("c")]), { previous: { startTime: EARLIER } });
  assert.equal(status.phase, "Running");
  assert.equal(status.startTime, EARLIER);
  assert.deepEqual(status.podIPs, [{ ip: "10.0.0.5" }]);
  const [container] = status.containerStatuses ?? [];
  assert.deepEqual(container?.state, { running: { startedAt: "1970-01-01T00:00:02Z" } });
  assert.equal(container?.containerID, "containerd://c-0");
  assert.equal(container?.ready && container.started, true);
  assert.deepEqual(condition(status, "Ready"), {
    type: "Ready",
    status: "True",
    observedGeneration: 1,
    lastTransitionTime: NOW,
  });
});

test("makePodStatus keeps the time of a condition that did not change, and conditions of others", () => {
  const gate = { type: "example.com/gate", status: "False" };
  const previous = { conditions: [{ type: "Ready", status: "True", lastTransitionTime: EARLIER }, gate] };
  const status = statusOf(samplePod(), sampleRuntime([sampleState("c")]), { previous });
  assert.equal(condition(status, "Ready")?.lastTransitionTime, EARLIER);
  assert.deepEqual(condition(status, "example.com/gate"), gate);
});

test("makePodStatus holds Ready back for readiness gates", () => {
  const pod = samplePod({ readinessGates: [{ conditionType: "example.com/gate" }] });
  const status = statusOf(pod, sampleRuntime([sampleState("c")]));
  assert.equal(condition(status, "ContainersReady")?.status, "True");
  assert.equal(condition(status, "Ready")?.reason, "ReadinessGatesNotReady");
  assert.match(condition(status, "Ready")?.message ?? "", /"example.com\/gate" does not exist/);
});

test("makePodStatus shows the end of a container that failed to start and gets no second try", () => {
  const reasons = new Map([["c", { reason: "RunContainerError", message: "no such program" }]]);
  const pod = samplePod({ restartPolicy: "Never" });
  const status = statusOf(pod, sampleRuntime([exited(128)]), { reasons });
  assert.equal(status.phase, "Failed");
  assert.equal(status.containerStatuses?.[0]?.state?.terminated?.exitCode, 128);
});

test("makePodStatus puts the last termination beside the reason for waiting", () => {
  const reasons = new Map([["c", { reason: "CrashLoopBackOff", message: "back-off 10s" }]]);
  const status = statusOf(samplePod(), sampleRuntime([exited(3)]), { reasons });
  const [container] = status.containerStatuses ?? [];
  assert.equal(status.phase, "Running");
  assert.deepEqual(container?.state, { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } });
  assert.equal(container?.lastState?.terminated?.exitCode, 3);
  assert.equal(container?.lastState?.terminated?.reason, "Error");
});

test("makePodStatus ends a pod as its policy and exit codes say, for good", () => {
  const never = samplePod({ restartPolicy: "Never" });
  assert.equal(statusOf(never, sampleRuntime([exited(0)])).phase, "Succeeded");
  const failed = statusOf(never, sampleRuntime([exited(1)]));
  assert.equal(failed.phase, "Failed");
  assert.equal(condition(failed, "Ready")?.reason, "PodFailed");
  assert.equal(statusOf(samplePod({ restartPolicy: "OnFailure" }), sampleRuntime([exited(1)])).phase, "Running");
  assert.equal(statusOf(samplePod(), sampleRuntime([exited(0)])).phase, "Running");
  assert.equal(statusOf(samplePod(), sampleRuntime([exited(0)]), { isTerminal: true }).phase, "Succeeded");
  const later = statusOf(never, sampleRuntime([], []), { previous: failed });
  assert.equal(later.phase, "Failed");
  assert.equal(later.containerStatuses?.[0]?.state?.terminated?.exitCode, 1);
  assert.equal(later.podIP, "10.0.0.5");
});

test("makePodStatus tells nothing of the containers of a pod that was turned away, nor does the next kubelet", () => {
  const verdict = { phase: "Failed", reason: "NodeAffinity", message: "no", isRefusal: true } as const;
  const pod = samplePod({ initContainers: [sampleContainer("i")] });
  const refused = statusOf(pod, sampleRuntime([], []), { verdict, isTerminal: true });
  const again = statusOf(pod, sampleRuntime([], []), { previous: refused, isTerminal: true });
  for (const { phase, reason, containerStatuses, initContainerStatuses } of [refused, again]) {
    assert.deepEqual(
      [phase, reason, containerStatuses, initContainerStatuses],
      ["Failed", "NodeAffinity", undefined, undefined],
    );
  }
});

test("makePodStatus goes by each container's own rules", () => {
  const restartPolicyRules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];
  const ruled = sampleContainer("c", { restartPolicy: "Never", restartPolicyRules });
  const phase = (exitCode: number, restartPolicy: string) =>
    statusOf(samplePod({ containers: [ruled], restartPolicy }), sampleRuntime([exited(exitCode)])).phase;
  assert.deepEqual([phase(42, "Never"), phase(1, "Never"), phase(0, "Always")], ["Running", "Failed", "Succeeded"]);
});

test("makePodStatus stays Pending while init containers run and says which are incomplete", () => {
  const pod = samplePod({ initContainers: [sampleContainer("i")] });
  const status = statusOf(pod, sampleRuntime([sampleState("i")]));
  assert.equal(status.phase, "Pending");
  assert.equal(condition(status, "Initialized")?.message, "containers with incomplete status: [i]");
  assert.equal(status.containerStatuses?.[0]?.state?.waiting?.reason, "PodInitializing");
  const unborn = statusOf(pod, sampleRuntime([]));
  assert.equal(unborn.initContainerStatuses?.[0]?.state?.waiting?.reason, "PodInitializing");
  const done = statusOf(pod, sampleRuntime([sampleState("c"), sampleState("i", { state: "exited" })]));
  assert.equal(done.phase, "Running");
  assert.equal(done.initContainerStatuses?.[0]?.ready, true);
});

test("makePodStatus keeps a finished pod Running until its sidecars have stopped", () => {
  const sidecar = sampleContainer("side", { restartPolicy: "Always" });
  const pod = samplePod({ restartPolicy: "Never", initContainers: [sidecar] });
  const states = (side: "running" | "exited") =>
    sampleRuntime([sampleState("c", { state: "exited" }), sampleState("side", { state: side })]);
  const stopping = statusOf(pod, states("running"));
  assert.equal(stopping.phase, "Running");
  assert.equal(condition(stopping, "Ready")?.reason, "ContainersNotReady");
  assert.equal(hasFinished(pod, stopping), true);
  assert.equal(hasFinished(pod, statusOf(pod, sampleRuntime([sampleState("c"), sampleState("side")]))), false);
  assert.equal(statusOf(pod, states("exited"), { isTerminal: true }).phase, "Succeeded");
  const init = samplePod({ restartPolicy: "Never", initContainers: [sidecar, sampleContainer("i")] });
  const failed = [sampleState("side"), sampleState("i", { state: "exited", exitCode: 1 })];
  assert.equal(statusOf(init, sampleRuntime(failed)).phase, "Failed");
});

test("makePodStatus counts a container that the runtime lost as restarted", () => {
  const before = statusOf(samplePod(), sampleRuntime([sampleState("c")]));
  const status = statusOf(samplePod(), sampleRuntime([]), { previous: before });
  const [container] = status.containerStatuses ?? [];
  assert.equal(container?.restartCount, 1);
  assert.equal(container?.lastState?.terminated?.reason, "ContainerStatusUnknown");
  assert.equal(container?.lastState?.terminated?.exitCode, 137);
});

test("makePodStatus remembers a message whose file is gone", () => {
  const last = { ...exited(1), message: "bye" };
  const before = statusOf(samplePod(), sampleRuntime([last]));
  const status = statusOf(samplePod(), sampleRuntime([exited(1)]), { previous: before });
  assert.equal(status.containerStatuses?.[0]?.state?.terminated?.message, "bye");
});

test("makePodStatus tells what was granted to all containers, and what the pod as a whole has", () => {
  const requests = (cpu: string) => ({ resources: { requests: { cpu } } });
  const containers = [sampleContainer("c", requests("100m")), sampleContainer("d", requests("250m"))];
  const plain = samplePod({ containers, overhead: { cpu: "1" } });
  const told = statusOf(plain, sampleRuntime([sampleState("c")]));
  assert.deepEqual([told.allocatedResources, told.resources], [{ cpu: "350m" }, undefined]);
  const own = (cpu: string) => ({ requests: { cpu }, limits: { cpu, memory: "1Gi" } });
  const sized = (cpu: string) => samplePod({ containers, resources: own(cpu) });
  const status = statusOf(sized("2"), sampleRuntime([sampleState("c")]), { actuated: sized("1") });
  assert.deepEqual([status.allocatedResources, status.resources], [{ cpu: "2" }, own("1")]);
  const [running, waiting] = status.containerStatuses ?? [];
  // A container without limits has those of its pod, from when it runs.
  assert.deepEqual(running?.resources, { requests: { cpu: "100m" }, limits: { cpu: "1", memory: "1Gi" } });
  assert.deepEqual(waiting?.resources, { requests: { cpu: "250m" } });
});

test("makePodStatus shares 12 KiB out among all last words of a pod", () => {
  const pod = samplePod({ containers: [1, 2, 3, 4].map((index) => sampleContainer(`c${index}`)) });
  const states = [1, 2, 3, 4].map((index) =>
    sampleState(`c${index}`, { state: "exited", exitCode: 1, finishedAt: 3000, message: "x".repeat(4096) }),
  );
  const { containerStatuses = [] } = statusOf(pod, sampleRuntime(states));
  const lengths = containerStatuses.map(({ state }) => state?.terminated?.message?.length);
  assert.deepEqual(lengths, [3072, 3072, 3072, 3072]);
  assert.equal(
    statusOf(samplePod(), sampleRuntime([{ ...exited(1), message: "x".repeat(4096) }])).containerStatuses?.[0]?.state
      ?.terminated?.message?.length,
    4096,
  );
});

test("makePodStatus says of which generation the pod was when its node disrupted it", () => {
  const verdict = { phase: "Failed", reason: "Evicted", message: "no room", isDisruption: true } as const;
  const status = statusOf(samplePod({}, { generation: 7 }), sampleRuntime([exited(137)]), {
    verdict,
    isTerminal: true,
  });
  assert.deepEqual(condition(status, "DisruptionTarget"), {
    ...{ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet", message: "no room" },
    ...{ observedGeneration: 7, lastTransitionTime: NOW },
  });
});
