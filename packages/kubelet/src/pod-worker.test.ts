import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { PodWorker } from "./pod-worker.ts";
import { emptyRuntimePod } from "./runtime/runtime-pod.ts";
import { samplePod } from "./testing/sample-pods.ts";

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A pod that is being deleted, whose containers `killPod` is asked to stop. */
function deletedPod(clock: FakeClock, killPod: () => Promise<void>) {
  const never = () => assert.fail("a pod that is being deleted is only ended");
  const stop = new AbortController();
  const pod = samplePod({}, { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 1 });
  const worker = new PodWorker(
    pod,
    {
      syncer: { sync: never },
      killer: { killPod },
      statuses: { current: () => ({}), set: () => {}, finalize: async () => {}, forget: () => {} },
      probes: {
        update: never,
        stopHealthChecks: () => {},
        remove: () => {},
        isStarted: () => false,
        isReady: () => false,
      },
      events: { pod: () => {} },
      resizer: {
        allocatedPod: (given) => given,
        admitted: never,
        evaluate: never,
        conditions: () => [],
        actuatedPod: (given) => given,
      },
      admission: { inTurn: never, admit: never, allocate: never },
      clock,
      log: silentLogger(),
      hostIps: [],
      resyncMs: 60_000,
      health: () => [],
      runtime: (uid) => emptyRuntimePod({ uid, namespace: "default", name: "web" }),
      refresh: async (uid) => emptyRuntimePod({ uid, namespace: "default", name: "web" }),
      register: () => {},
      release: async () => {},
      purge: async () => {},
    },
    stop.signal,
  );
  return { worker, stop };
}

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
