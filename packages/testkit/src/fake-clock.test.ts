// The fake clock must behave as the real one does, only on command.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "./fake-clock.ts";

test("fake clock fires timers in order of time and leaves later ones", async () => {
  const clock = new FakeClock(1000);
  const fired: string[] = [];
  clock.after(20, () => fired.push("b"));
  clock.after(10, () => fired.push("a"));
  clock.after(31, () => fired.push("late"));
  await clock.advance(30);
  assert.deepEqual(fired, ["a", "b"]);
  assert.equal(clock.now(), 1030);
  assert.equal(clock.waiting, 1);
});

test("fake clock runs a loop that sleeps again and again within one advance", async () => {
  const clock = new FakeClock();
  let rounds = 0;
  const loop = (async () => {
    for (; rounds < 3; rounds += 1) await clock.sleep(10);
  })();
  await clock.advance(30);
  await loop;
  assert.equal(rounds, 3);
});

test("fake clock rejects a sleep when its signal aborts, and forgets the timer", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const sleep = clock.sleep(10, abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(sleep, /enough/);
  assert.equal(clock.waiting, 0);
});
