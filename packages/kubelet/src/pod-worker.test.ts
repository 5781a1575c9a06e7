import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { PodWorker, type PodWorkerDeps } from "./pod-worker.ts";
import { emptyRuntimePod } from "./runtime/runtime-pod.ts";
import { samplePod } from "./testing/sample-pods.ts";

const settle = () => new Promise((resolve) => setImmediate(resolve));

const never = () => assert.fail("not of this pod");

/** A worker whose collaborators have nothing to say but what `more` says. */
function workerOf(pod: Pod, clock: FakeClock, more: Partial<PodWorkerDeps>) {
  const stop = new AbortController();
  const runtime = (uid: string) => emptyRuntimePod({ uid, namespace: "default", name: "web" });
  const deps: PodWorkerDeps = {
    syncer: { sync: never },
    killer: { killPod: never },
    statuses: { current: () => ({}), set: () => {}, finalize: async () => {}, forget: () => {} },
    probes: {
      update: () => {},
      stopHealthChecks: () => {},
      remove: () => {},
      isStarted: () => false,
      isReady: () => false,
    },
    events: { pod: () => {} },
    resizer: {
      allocatedPod: (given) => given,
      admitted: () => {},
      evaluate: () => {},
      conditions: () => [],
      actuatedPod: (given) => given,
    },
    admission: { inTurn: never, admit: never, allocate: never },
    clock,
    log: silentLogger(),
    hostIps: [],
    resyncMs: 60_000,
    health: () => [],
    runtime,
    refresh: async (uid) => runtime(uid),
    register: () => {},
    release: async () => {},
    purge: async () => {},
    ...more,
  };
  return { worker: new PodWorker(pod, deps, stop.signal), stop };
}

/** A pod that is being deleted, whose containers `killPod` is asked to stop. */
function deletedPod(clock: FakeClock, killPod: () => Promise<void>) {
  const pod = samplePod({}, { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 1 });
  return workerOf(pod, clock, { killer: { killPod } });
}

test("a machine that slept past a pod's deadline ends the pod at the next regular look, not by a timer that slept as well", async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const startTime = new Date(clock.now()).toISOString();
  const pod = samplePod({ activeDeadlineSeconds: 3600 });
  const { worker } = workerOf(pod, clock, {
    syncer: { sync: async () => ({ acted: false, retryMs: undefined }) },
    killer: { killPod: async () => {} },
    statuses: { current: () => ({ startTime }), set: () => {}, finalize: async () => {}, forget: () => {} },
    events: { pod: (_pod, _type, reason) => void told.push(reason) },
    admission: {
      inTurn: (work) => work(),
      admit: () => ({ admitted: true }),
      allocate: async () => ({ admitted: true }),
    },
  });
  const done = worker.run();
  for (let turn = 0; turn < 20; turn++) await settle();
  clock.jump(3 * 3_600_000);
  for (let seconds = 0; seconds < 72 && told.length === 0; seconds++) {
    await clock.advance(1000);
    for (let turn = 0; turn < 10; turn++) await settle();
  }
  assert.deepEqual(told, ["DeadlineExceeded"]);
  worker.remove(pod);
  await done;
});

test("a pod that could not be ended is tried again after a pause, and at the latest after upstream's ten seconds", async () => {
  const clock = new FakeClock();
  let tries = 0;
  const { worker } = deletedPod(clock, async () => {
    tries++;
    if (tries < 8) throw new Error("the runtime is not ready");
  });
  const done = worker.run();
  const pauses: number[] = [];
  for (let seen = 1; seen < 8; seen++) {
    for (let turn = 0; turn < 10; turn++) await settle();
    assert.equal(tries, seen, "it was tried again without a pause");
    let seconds = 0;
    for (; tries === seen && seconds < 60; seconds++) {
      await clock.advance(1000);
      for (let turn = 0; turn < 10; turn++) await settle();
    }
    pauses.push(seconds);
  }
  await done;
  assert.deepEqual(pauses, [1, 2, 4, 8, 10, 10, 10]);
});
