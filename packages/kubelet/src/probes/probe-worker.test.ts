import assert from "node:assert/strict";
import { test } from "node:test";
import type { Probe } from "@skiff/api/types.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import type { RuntimeContainer } from "../runtime/runtime-pod.ts";
import type { ProbeVerdict } from "../sync-pod.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import type { ProbeKind } from "./probe-worker.ts";
import { ProbeWorker } from "./probe-worker.ts";

/** A worker whose container and answers the test sets, with what it reported. */
function setUp(kind: ProbeKind, probe: Partial<Probe>, state: Partial<RuntimeContainer> = {}) {
  const clock = new FakeClock(1_000_000);
  const found = {
    clock,
    answers: [] as boolean[],
    runs: 0,
    started: kind !== "startup",
    container: sampleState("c", { startedAt: clock.now(), ...state }),
    verdicts: [] as ProbeVerdict[],
    unhealthy: [] as string[],
    pod: samplePod(),
  };
  const spec = { exec: { command: ["true"] }, periodSeconds: 10, ...probe };
  const worker = new ProbeWorker(kind, sampleContainer("c"), spec, {
    clock,
    pod: () => found.pod,
    runtime: () => sampleRuntime([found.container]),
    run: async () => {
      found.runs++;
      return { ok: found.answers.shift() ?? true, output: "oops" };
    },
    isStarted: () => found.started,
    initial: () => undefined,
    onResult: (_kind, _id, verdict) => {
      if (found.verdicts.at(-1) !== verdict) found.verdicts.push(verdict);
    },
    onEvent: (_reason, message) => found.unhealthy.push(message),
  });
  return { ...found, worker, found };
}

test("a readiness probe begins as failed, counts to its thresholds, and recovers", async () => {
  const { worker, found, clock } = setUp("readiness", { successThreshold: 2, failureThreshold: 2 });
  found.answers.push(true, true, false, true, false, false, true, true);
  const running = worker.run(0);
  await clock.advance(0);
  assert.deepEqual(found.verdicts, ["failure"]);
  await clock.advance(10_000);
  assert.deepEqual(found.verdicts, ["failure", "success"]);
  await clock.advance(20_000);
  assert.deepEqual(found.verdicts, ["failure", "success"], "one failure of two is none yet");
  await clock.advance(40_000);
  assert.deepEqual(found.verdicts, ["failure", "success", "failure", "success"]);
  assert.equal(found.unhealthy[0], "Readiness probe failed: oops");
  worker.end();
  await running;
});

test("a liveness probe waits for its initial delay and for the start, and holds after a failure", async () => {
  const { worker, found, clock } = setUp("liveness", {
    initialDelaySeconds: 15,
    failureThreshold: 1,
    periodSeconds: 1,
  });
  found.started = false;
  found.answers.push(false);
  const running = worker.run(0);
  await clock.advance(0);
  await clock.advance(20_000);
  assert.equal(found.runs, 0);
  found.started = true;
  await clock.advance(5000);
  assert.deepEqual(found.verdicts, ["success", "failure"]);
  assert.equal(found.runs, 1, "nothing is asked until the next container is there");
  found.container = sampleState("c", { id: "c-1", startedAt: clock.now() });
  await clock.advance(16_000);
  assert.deepEqual(found.verdicts, ["success", "failure", "success"]);
  assert.ok(found.runs > 1);
  worker.end();
  await running;
});

test("a startup probe ends with its first success", async () => {
  const { worker, found, clock } = setUp("startup", { failureThreshold: 3 });
  found.answers.push(false, true);
  const running = worker.run(0);
  await clock.advance(0);
  await clock.advance(10_000);
  assert.deepEqual(found.verdicts, ["unknown", "success"]);
  found.started = true;
  await clock.advance(60_000);
  assert.equal(found.runs, 2);
  worker.end();
  await running;
});

test("a container that stopped is not ready, and a pod being deleted is not killed for its health", async () => {
  const stopped = setUp("readiness", {}, { state: "exited" });
  assert.equal(await stopped.worker.step(), true);
  assert.deepEqual(stopped.found.verdicts, ["failure"]);
  const ending = setUp("liveness", {});
  ending.found.pod = samplePod({}, { deletionTimestamp: "2026-01-01T00:00:00Z" });
  assert.equal(await ending.worker.step(), false);
  assert.deepEqual(ending.found.verdicts, ["success"]);
});

test("a container that is still being started counts as before its first result", async () => {
  const { worker, found } = setUp("liveness", {}, { state: "created" });
  assert.equal(await worker.step(), true);
  assert.deepEqual(found.verdicts, ["success"]);
  assert.equal(found.runs, 0);
});

test("a probe's initial delay is counted in time that passes, whatever the wall clock is set to", async () => {
  for (const jumpMs of [-3_600_000, 3_600_000]) {
    const { worker, found, clock } = setUp("liveness", { initialDelaySeconds: 15, periodSeconds: 1 });
    const running = worker.run(0);
    await clock.advance(5000);
    clock.jump(jumpMs);
    await clock.advance(9000);
    assert.equal(found.runs, 0, "probed before its time");
    await clock.advance(2000);
    assert.notEqual(found.runs, 0, "not probed when it was time");
    worker.end();
    await running;
  }
});
