import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { BackOff } from "./back-off.ts";
import { formatDelay } from "./pod-syncer.ts";

test("BackOff doubles to its ceiling and starts anew after a long quiet", async () => {
  const clock = new FakeClock();
  const backOff = new BackOff(10_000, 300_000, clock);
  assert.equal(backOff.remainingSince("c", clock.now()), 0);
  const delays: number[] = [];
  for (let crash = 0; crash < 7; crash++) {
    backOff.next("c", clock.now());
    delays.push(backOff.get("c") / 1000);
    assert.equal(backOff.remainingSince("c", clock.now()), backOff.get("c"));
    await clock.advance(backOff.get("c"));
    assert.equal(backOff.remainingSince("c", clock.now() - backOff.get("c")), 0);
  }
  assert.deepEqual(delays, [10, 20, 40, 80, 160, 300, 300]);
  await clock.advance(601_000);
  backOff.next("c", clock.now());
  assert.equal(backOff.get("c"), 10_000);
  await clock.advance(601_000);
  backOff.collect();
  assert.equal(backOff.get("c"), 0);
});

test("formatDelay prints as Go does", () => {
  assert.deepEqual([10_000, 80_000, 300_000].map(formatDelay), ["10s", "1m20s", "5m0s"]);
});
