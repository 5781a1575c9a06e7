// What a lost race costs: a short pause, growing while the races go on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { conflict } from "@skiff/api/errors.ts";
import { settle } from "@skiff/client/testing/settle.ts";
import { WorkQueue } from "@skiff/client/work-queue.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { runReconciler } from "./run-reconciler.ts";

const lost = conflict({ group: "apps", plural: "replicasets" }, "web", "changed");

test("runReconciler repeats a lost race soon, then ever less often, and starts anew after a success", async () => {
  const clock = new FakeClock();
  using queue = new WorkQueue<string>({}, { clock });
  const stop = new AbortController();
  const passes: number[] = [];
  let isBehind = true;
  const pass = async () => {
    passes.push(clock.monotonic());
    if (isBehind) throw lost;
  };
  const running = runReconciler(queue, 1, pass, { signal: stop.signal, log: silentLogger(), name: "test" });
  queue.add("default/web");
  await settle();
  await clock.advance(20);
  assert.equal(passes.length, 2);
  await clock.advance(60_000);
  assert.ok(passes.length < 40, `${passes.length} passes in a minute`);
  assert.equal(queue.retries("default/web"), 0);
  isBehind = false;
  await clock.advance(5000);
  isBehind = true;
  passes.length = 0;
  queue.add("default/web");
  await settle();
  await clock.advance(20);
  assert.equal(passes.length, 2);
  stop.abort();
  await running;
});
