// Workers that fail, retry and stop; controllers that run and fall together.
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { currentTraceId } from "@skiff/component-base/trace.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { runControllers } from "./controller.ts";
import { runWorkers } from "./run-workers.ts";
import { settle } from "./testing/settle.ts";
import { WorkQueue } from "./work-queue.ts";

const log = silentLogger();

test("runWorkers retries a failed key with back-off, forgets it on success, and stops on abort", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue({}, { clock });
  const stop = new AbortController();
  const traces = new Set<string | undefined>();
  let passes = 0;
  const reconcile = async () => {
    traces.add(currentTraceId());
    if (++passes < 3) throw new Error("not yet");
  };
  const running = runWorkers(queue, 2, reconcile, { signal: stop.signal, log, name: "test" });
  queue.add("a");
  await settle();
  assert.equal(passes, 1);
  await clock.advance(5);
  assert.equal(passes, 2);
  assert.equal(queue.retries("a"), 2);
  await clock.advance(10);
  assert.equal(passes, 3);
  assert.equal(queue.retries("a"), 0);
  assert.equal(traces.size, 3);
  stop.abort();
  await running;
});

test("runWorkers never works on one key twice at once, and on as many keys as there are workers", async () => {
  const queue = new WorkQueue({}, { clock: new FakeClock() });
  const stop = new AbortController();
  const working: string[] = [];
  const gates: (() => void)[] = [];
  const reconcile = async (key: string) => {
    working.push(key);
    await new Promise<void>((resolve) => gates.push(resolve));
    working.splice(working.indexOf(key), 1);
  };
  const running = runWorkers(queue, 2, reconcile, { signal: stop.signal, log, name: "test" });
  for (const key of ["a", "b", "c"]) queue.add(key);
  await settle();
  queue.add("a");
  assert.deepEqual(working, ["a", "b"]);
  for (let i = 0; i < 2; i++) gates.shift()?.();
  await settle();
  assert.deepEqual(working.toSorted(), ["a", "c"]);
  stop.abort();
  for (const open of gates) open();
  await running;
});

test("runControllers stops the others when one fails, and says which", async () => {
  const stopped: string[] = [];
  const steady = {
    name: "steady",
    run: (signal: AbortSignal) =>
      new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => {
          stopped.push("steady");
          resolve();
        }),
      ),
  };
  const broken = { name: "broken", run: () => Promise.reject(new Error("boom")) };
  const { signal } = new AbortController();
  await assert.rejects(runControllers([steady, broken], { signal, log }), /controller broken failed/);
  assert.deepEqual(stopped, ["steady"]);
});
