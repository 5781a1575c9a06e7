import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { PodEvents } from "../events/pod-events.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import { PodKiller } from "./pod-killer.ts";
import { StartGate } from "./start-gate.ts";

const HOUR_MS = 3_600_000;

for (const [what, jumpMs] of [
  ["set back", -HOUR_MS],
  ["set forward, or slept through", HOUR_MS],
] as const) {
  test(`PodKiller gives what the hook left of the grace period though an hour was ${what} meanwhile`, async () => {
    const clock = new FakeClock();
    const stops: number[] = [];
    const killer = new PodKiller({
      cri: { stopContainer: async (_id, seconds) => void stops.push(seconds), stopPodSandbox: async () => {} },
      hooks: {
        run: async () => {
          clock.jump(jumpMs);
          await clock.sleep(5000);
        },
      },
      gate: new StartGate({ starts: 1, removals: 1, patienceMs: 1000, workMs: 1000, yieldMs: 1000 }, { clock }),
      events: new PodEvents({ record: () => {} }),
      clock,
      log: silentLogger(),
    });
    const container = sampleContainer("c", { lifecycle: { preStop: { sleep: { seconds: 5 } } } });
    const pod = samplePod({ containers: [container] }, { deletionTimestamp: "2026-01-01T00:00:30Z" });
    const runtime = sampleRuntime([sampleState("c")]);
    const done = killer.killPod(pod, runtime, { reason: "Terminating", graceSeconds: 30 });
    await clock.advance(5000);
    await done;
    assert.deepEqual(stops, [25]);
  });
}

test("PodKiller stops a pod's newest sandbox though a crash has ended it, as the address is still held", async () => {
  const clock = new FakeClock();
  const stopped: string[] = [];
  const killer = new PodKiller({
    cri: { stopContainer: async () => {}, stopPodSandbox: async (id) => void stopped.push(id) },
    hooks: { run: async () => {} },
    gate: new StartGate({ starts: 1, removals: 1, patienceMs: 1000, workMs: 1000, yieldMs: 1000 }, { clock }),
    events: new PodEvents({ record: () => {} }),
    clock,
    log: silentLogger(),
  });
  const runtime = sampleRuntime([sampleState("c", { state: "exited" })]);
  const [sandbox] = runtime.sandboxes;
  assert.ok(sandbox);
  const dead = { ...sandbox, ready: false };
  const sandboxes = [dead, { ...dead, id: "older" }];
  await killer.killPod(samplePod(), { ...runtime, sandboxes }, { reason: "Terminating" });
  assert.deepEqual(stopped, [sandbox.id]);
});

test("PodKiller begins all preStop hooks at once, and stops sidecars in turn within what is left of the time", async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  const killer = new PodKiller({
    cri: {
      stopContainer: async (id, seconds) => {
        seen.push(`${clock.monotonic()} stop ${id} ${seconds}`);
        if (id === "c-0") await clock.sleep(4000);
        seen.push(`${clock.monotonic()} ended ${id}`);
      },
      stopPodSandbox: async () => {},
    },
    hooks: {
      run: async (_hook, { containerId }) => {
        seen.push(`${clock.monotonic()} hook ${containerId}`);
        await clock.sleep(1000);
      },
    },
    gate: new StartGate({ starts: 1, removals: 1, patienceMs: 1000, workMs: 1000, yieldMs: 1000 }, { clock }),
    events: new PodEvents({ record: () => {} }),
    clock,
    log: silentLogger(),
  });
  const lifecycle = { preStop: { sleep: { seconds: 1 } } };
  const sidecar = (name: string) => sampleContainer(name, { restartPolicy: "Always", lifecycle });
  const pod = samplePod({
    initContainers: [sidecar("first"), sidecar("second")],
    containers: [sampleContainer("c", { lifecycle })],
  });
  const runtime = sampleRuntime([sampleState("c"), sampleState("first"), sampleState("second")]);
  const run = async (graceSeconds: number) => {
    seen.length = 0;
    const begin = clock.monotonic();
    const done = killer.killPod(pod, runtime, { reason: "Terminating", graceSeconds });
    for (let second = 0; second < 6; second++) await clock.advance(1000);
    await done;
    return seen.map((line) => line.replace(/^\d+/, (at) => `${Number(at) - begin}`));
  };
  const hooks = ["0 hook c-0", "0 hook first-0", "0 hook second-0"];
  assert.deepEqual(await run(30), [
    ...hooks,
    "1000 stop c-0 29",
    "5000 ended c-0",
    "5000 stop second-0 25",
    "5000 ended second-0",
    "5000 stop first-0 25",
    "5000 ended first-0",
  ]);
  // Nobody waits longer than the pod has.
  assert.deepEqual((await run(3)).filter((line) => line.includes("stop")).toSorted(), [
    "1000 stop c-0 2",
    "3000 stop first-0 2",
    "3000 stop second-0 2",
  ]);
});
