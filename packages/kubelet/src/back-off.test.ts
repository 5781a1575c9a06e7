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

test("BackOff waits as long as it says, whatever the wall clock is set to meanwhile", async () => {
  const hourMs = 3_600_000;
  for (const jumpMs of [-hourMs, hourMs]) {
    const clock = new FakeClock();
    const backOff = new BackOff(10_000, 300_000, clock);
    const firstExit = clock.now();
    backOff.next("c", firstExit);
    assert.equal(backOff.remainingSince("c", firstExit), 10_000);
    clock.jump(jumpMs);
    await clock.advance(4000);
    assert.equal(backOff.remainingSince("c", firstExit), 6000);
    assert.equal(backOff.remaining("c"), 6000);
    await clock.advance(6000);
    assert.equal(backOff.remainingSince("c", firstExit), 0);
    backOff.collect();
    backOff.next("c", clock.now());
    assert.equal(backOff.get("c"), 20_000, "the jump counted as a long quiet");
  }
});

test("BackOff takes an event that seems to lie ahead, after the clock was set back, as one of now", () => {
  const clock = new FakeClock();
  const backOff = new BackOff(10_000, 300_000, clock);
  backOff.next("c", clock.now());
  assert.equal(backOff.remainingSince("c", clock.now() + 3_600_000), 10_000);
});

test("formatDelay prints as Go does", () => {
  assert.deepEqual([10_000, 80_000, 300_000].map(formatDelay), ["10s", "1m20s", "5m0s"]);
});
