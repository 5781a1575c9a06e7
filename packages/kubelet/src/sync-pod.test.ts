import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import type { RuntimePod } from "./runtime/runtime-pod.ts";
import type { ProbeVerdict } from "./sync-pod.ts";
import { computePodActions } from "./sync-pod.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleSandbox, sampleState } from "./testing/sample-pods.ts";

const names = (containers: readonly { name: string }[]) => containers.map(({ name }) => name);

function actions(pod: Pod, runtime: RuntimePod, verdicts: { liveness?: ProbeVerdict; startup?: ProbeVerdict } = {}) {
  const found = computePodActions(pod, runtime, {
    liveness: () => verdicts.liveness,
    startup: () => verdicts.startup,
  });
  const { killPod, createSandbox, attempt } = found;
  return {
    killPod,
    createSandbox,
    attempt,
    init: names(found.init),
    containers: names(found.containers),
    kill: found.kill.map(({ container, message }) => `${container.name}: ${message}`),
  };
}

const nothing = { killPod: false, createSandbox: false, attempt: 0, init: [], containers: [], kill: [] };

test("computePodActions makes the first sandbox and starts the containers, init containers first", () => {
  const fresh = { ...nothing, killPod: true, createSandbox: true };
  assert.deepEqual(actions(samplePod(), sampleRuntime([], [])), { ...fresh, containers: ["c"] });
  const withInit = samplePod({ initContainers: [sampleContainer("i1"), sampleContainer("i2")] });
  assert.deepEqual(actions(withInit, sampleRuntime([], [])), { ...fresh, init: ["i1"] });
});

test("computePodActions leaves a pod alone that is as its spec says", () => {
  assert.deepEqual(actions(samplePod(), sampleRuntime([sampleState("c")])), nothing);
});

test("computePodActions replaces a dead sandbox, but not for a pod that must not restart", () => {
  const dead = sampleRuntime([sampleState("c", { state: "exited", exitCode: 1 })], [sampleSandbox({ ready: false })]);
  const again = { ...nothing, killPod: true, createSandbox: true, attempt: 1, containers: ["c"] };
  assert.deepEqual(actions(samplePod(), dead), again);
  const never = actions(samplePod({ restartPolicy: "Never" }), dead);
  assert.deepEqual(never, { ...nothing, killPod: true, attempt: 1 });
  const succeeded = sampleRuntime([sampleState("c", { state: "exited" })], [sampleSandbox({ ready: false })]);
  assert.equal(actions(samplePod({ restartPolicy: "OnFailure" }), succeeded).createSandbox, false);
});

test("computePodActions restarts by policy and stops the pod once nothing is left to run", () => {
  const exited = (exitCode: number) => sampleRuntime([sampleState("c", { state: "exited", exitCode })]);
  assert.deepEqual(actions(samplePod(), exited(0)).containers, ["c"]);
  assert.deepEqual(actions(samplePod({ restartPolicy: "OnFailure" }), exited(1)).containers, ["c"]);
  assert.deepEqual(actions(samplePod({ restartPolicy: "OnFailure" }), exited(0)), { ...nothing, killPod: true });
  assert.deepEqual(actions(samplePod({ restartPolicy: "Never" }), exited(1)), { ...nothing, killPod: true });
});

test("computePodActions restarts by a container's own rules before the pod's policy", () => {
  const rules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];
  const containers = [sampleContainer("c", { restartPolicy: "Never", restartPolicyRules: rules })];
  const pod = samplePod({ restartPolicy: "Never", containers });
  const exited = (exitCode: number) => sampleRuntime([sampleState("c", { state: "exited", exitCode })]);
  assert.deepEqual(actions(pod, exited(42)).containers, ["c"]);
  assert.equal(actions(pod, exited(1)).killPod, true);
});

test("computePodActions runs init containers one after the other and then the regular ones", () => {
  const pod = samplePod({ initContainers: [sampleContainer("i1"), sampleContainer("i2")] });
  const done = (name: string, exitCode = 0) => sampleState(name, { state: "exited", exitCode });
  assert.deepEqual(actions(pod, sampleRuntime([sampleState("i1")])), nothing);
  assert.deepEqual(actions(pod, sampleRuntime([done("i1")])).init, ["i2"]);
  assert.deepEqual(actions(pod, sampleRuntime([done("i2"), done("i1")])).containers, ["c"]);
  assert.deepEqual(actions(pod, sampleRuntime([done("i1", 1)])).init, ["i1"]);
  const never = samplePod({ restartPolicy: "Never", initContainers: [sampleContainer("i1")] });
  assert.equal(actions(never, sampleRuntime([done("i1", 1)])).killPod, true);
});

test("computePodActions does not take init containers of an earlier sandbox for done", () => {
  const pod = samplePod({ initContainers: [sampleContainer("i1")] });
  const old = sampleState("i1", { state: "exited", sandboxId: "s-old" });
  assert.deepEqual(actions(pod, sampleRuntime([old])).init, ["i1"]);
});

test("computePodActions keeps sidecars alive beside the others and lets the pod end without them", () => {
  const sidecar = sampleContainer("s", { restartPolicy: "Always" });
  const pod = samplePod({ restartPolicy: "Never", initContainers: [sidecar, sampleContainer("i")] });
  assert.deepEqual(actions(pod, sampleRuntime([sampleState("s")])).init, ["i"]);
  const running = [sampleState("c"), sampleState("i", { state: "exited" })];
  const lost = sampleRuntime([...running, sampleState("s", { state: "exited", exitCode: 1 })]);
  assert.deepEqual(actions(pod, lost).init, ["s"]);
  const ended = sampleRuntime([sampleState("c", { state: "exited" }), ...running.slice(1), sampleState("s")]);
  assert.deepEqual(actions(pod, ended), { ...nothing, killPod: true });
});

test("computePodActions waits for a sidecar's startup probe before it goes on", () => {
  const sidecar = sampleContainer("s", { restartPolicy: "Always", startupProbe: { exec: { command: ["true"] } } });
  const pod = samplePod({ initContainers: [sidecar] });
  const runtime = sampleRuntime([sampleState("s")]);
  assert.deepEqual(actions(pod, runtime), nothing);
  assert.deepEqual(actions(pod, runtime, { startup: "success" }).containers, ["c"]);
  assert.deepEqual(actions(pod, runtime, { startup: "failure" }).init, ["s"]);
});

test("computePodActions kills for a failed probe or a new image, and restarts as the policy allows", () => {
  const probe = { exec: { command: ["true"] } };
  const pod = samplePod({ containers: [sampleContainer("c", { livenessProbe: probe })] });
  const runtime = sampleRuntime([sampleState("c")]);
  const failed = actions(pod, runtime, { liveness: "failure" });
  assert.deepEqual(failed.kill, ["c: Container c failed liveness probe, will be restarted"]);
  assert.deepEqual(failed.containers, ["c"]);
  const never = samplePod({ ...pod.spec, restartPolicy: "Never" });
  assert.equal(actions(never, runtime, { liveness: "failure" }).killPod, true);
  const changed = samplePod({ containers: [sampleContainer("c", { image: "busybox:2" })] });
  assert.deepEqual(actions(changed, runtime).kill, ["c: Container c definition changed, will be restarted"]);
});
