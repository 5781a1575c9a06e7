// client-go's queue semantics on a clock moved by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { settle } from "./testing/settle.ts";
import { WorkQueue } from "./work-queue.ts";
import { WorkQueueMetrics } from "./work-queue-metrics.ts";

const never = new AbortController().signal;

function make() {
  const clock = new FakeClock();
  return { clock, queue: new WorkQueue<string>({ name: "q" }, { clock }) };
}

test("work queue hands out a waiting key once, in order of arrival", async () => {
  const { queue } = make();
  for (const key of ["b", "a", "b", "c", "a"]) queue.add(key);
  assert.equal(queue.size, 3);
  assert.deepEqual([await queue.get(never), await queue.get(never), await queue.get(never)], ["b", "a", "c"]);
});

test("work queue hands out a key re-added during work only after done", async () => {
  const { queue } = make();
  queue.add("a");
  assert.equal(await queue.get(never), "a");
  queue.add("a");
  queue.add("a");
  assert.equal(queue.size, 0);
  queue.done("a");
  assert.equal(queue.size, 1);
  assert.equal(await queue.get(never), "a");
  queue.done("a");
  assert.equal(queue.size, 0);
});

test("work queue delays doubling per key until forgotten", async () => {
  const { clock, queue } = make();
  const fails = async (afterMs: number) => {
    queue.addRateLimited("a");
    await clock.advance(afterMs - 1);
    assert.equal(queue.size, 0, `not before ${afterMs} ms`);
    await clock.advance(1);
    assert.equal(queue.size, 1, `after ${afterMs} ms`);
    await queue.get(never);
    queue.done("a");
  };
  for (const ms of [5, 10, 20, 40]) await fails(ms);
  assert.equal(queue.retries("a"), 4);
  queue.forget("a");
  await fails(5);
});

test("work queue retries are held to the overall rate after the burst", async () => {
  const { clock, queue } = make();
  for (let i = 0; i < 103; i++) queue.addRateLimited(`k${i}`);
  await clock.advance(5);
  assert.equal(queue.size, 100);
  await clock.advance(95);
  assert.equal(queue.size, 101);
  await clock.advance(200);
  assert.equal(queue.size, 103);
});

test("work queue keeps the earliest of several delays", async () => {
  const { clock, queue } = make();
  queue.addAfter("a", 1000);
  queue.addAfter("a", 100);
  queue.addAfter("a", 5000);
  await clock.advance(100);
  assert.equal(queue.size, 1);
  await queue.get(never);
  queue.done("a");
  await clock.advance(10_000);
  assert.equal(queue.size, 0);
});

test("work queue wakes one waiter per key and lets an aborted one go", async () => {
  const { queue } = make();
  const stop = new AbortController();
  const aborted = queue.get(stop.signal);
  const first = queue.get(never);
  let second: string | undefined;
  void queue.get(never).then((key) => {
    second = key;
  });
  stop.abort(new Error("stop"));
  await assert.rejects(aborted, /stop/);
  queue.add("a");
  assert.equal(await first, "a");
  await settle();
  assert.equal(second, undefined);
  queue.add("b");
  await settle();
  assert.equal(second, "b");
});

test("work queue metrics carry upstream's names", async () => {
  const clock = new FakeClock();
  const registry = new MetricsRegistry();
  const queue = new WorkQueue({ name: "pods" }, { clock, metrics: new WorkQueueMetrics(registry, clock) });
  queue.add("a");
  queue.add("b");
  await queue.get(never);
  const text = registry.render();
  assert.match(text, /workqueue_adds_total\{name="pods"\} 2/);
  assert.match(text, /workqueue_depth\{name="pods"\} 1/);
  assert.match(text, /workqueue_queue_duration_seconds_count\{name="pods"\} 1/);
});
