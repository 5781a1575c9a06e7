// What a pod's row says in each state.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStatus, Pod } from "../../../generated/types.ts";
import { podColumns, podRowConditions } from "./columns.ts";

const NOW = Date.parse("2026-01-01T01:00:00Z");

function podOf(status: Pod["status"], spec: Partial<Pod["spec"]> = {}, deleted = false): Pod {
  return {
    metadata: {
      name: "web",
      namespace: "default",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(deleted ? { deletionTimestamp: "2026-01-01T00:59:00Z" } : {}),
    },
    spec: { containers: [{ name: "a" }, { name: "b" }], ...spec },
    status,
  };
}

function container(
  name: string,
  state: ContainerStatus["state"],
  more: Partial<ContainerStatus> = {},
): ContainerStatus {
  return { name, image: "", imageID: "", ready: false, restartCount: 0, state, ...more };
}

const running = (name: string, more: Partial<ContainerStatus> = {}) =>
  container(name, { running: {} }, { ready: true, started: true, ...more });
const cells = (pod: Pod) => podColumns.map((column) => column.value(pod, NOW));
const shown = (pod: Pod) => cells(pod).slice(1, 4);

test("pod columns show readiness, phase, restarts and where it runs", () => {
  const pod = podOf(
    { phase: "Running", podIPs: [{ ip: "10.0.0.7" }], containerStatuses: [running("a"), running("b")] },
    { nodeName: "n1" },
  );
  assert.deepEqual(cells(pod), ["web", "2/2", "Running", "0", "60m", "10.0.0.7", "n1", "<none>", "<none>"]);
});

test("pod columns show the state that stands out", () => {
  const waiting = (reason: string) => container("a", { waiting: { reason } }, { restartCount: 3 });
  const lastState = { terminated: { exitCode: 1, finishedAt: "2026-01-01T00:55:00Z" } };
  const table: readonly (readonly [Pod, readonly string[]])[] = [
    [podOf({ phase: "Pending" }), ["0/2", "Pending", "0"]],
    [podOf({ phase: "Running", containerStatuses: [waiting("ErrImagePull")] }), ["0/2", "ErrImagePull", "3"]],
    [
      podOf({ phase: "Running", containerStatuses: [{ ...waiting("CrashLoopBackOff"), lastState }, running("b")] }),
      ["1/2", "CrashLoopBackOff", "3 (5m ago)"],
    ],
    [
      podOf({ phase: "Failed", containerStatuses: [container("a", { terminated: { exitCode: 3 } })] }),
      ["0/2", "ExitCode:3", "0"],
    ],
    [
      podOf({ phase: "Failed", containerStatuses: [container("a", { terminated: { exitCode: 137, signal: 9 } })] }),
      ["0/2", "Signal:9", "0"],
    ],
    [
      podOf({ phase: "Running", containerStatuses: [running("a"), running("b")] }, {}, true),
      ["2/2", "Terminating", "0"],
    ],
    [podOf({ phase: "Running", reason: "NodeLost" }, {}, true), ["0/2", "Unknown", "0"]],
    [podOf({ phase: "Failed", reason: "Evicted" }), ["0/2", "Evicted", "0"]],
    [
      podOf({
        phase: "Running",
        conditions: [{ type: "Ready", status: "False" }],
        containerStatuses: [container("a", { terminated: { exitCode: 0, reason: "Completed" } }), running("b")],
      }),
      ["1/2", "NotReady", "0"],
    ],
  ];
  for (const [pod, expected] of table) assert.deepEqual(shown(pod), expected);
});

test("pod columns show initialisation, in which sidecars count once they have started", () => {
  const initContainers = [{ name: "i" }, { name: "side", restartPolicy: "Always" }, { name: "j" }];
  const done = container("i", { terminated: { exitCode: 0, reason: "Completed" } });
  const at = (...initContainerStatuses: ContainerStatus[]) =>
    shown(podOf({ phase: "Pending", initContainerStatuses }, { initContainers }));
  assert.deepEqual(at(container("i", { running: {} })), ["0/3", "Init:0/3", "0"]);
  assert.deepEqual(at(done, running("side"), container("j", { waiting: { reason: "PodInitializing" } })), [
    "1/3",
    "Init:2/3",
    "0",
  ]);
  assert.deepEqual(at(container("i", { terminated: { exitCode: 1, reason: "Error" } }, { restartCount: 2 })), [
    "0/3",
    "Init:Error",
    "2",
  ]);
});

test("pod row conditions mark finished pods", () => {
  assert.equal(podRowConditions(podOf({ phase: "Succeeded" }))[0]?.reason, "Succeeded");
  assert.deepEqual(podRowConditions(podOf({ phase: "Running" })), []);
});
