// Batches of creations.
import assert from "node:assert/strict";
import { test } from "node:test";
import { slowStart } from "./slow-start.ts";

test("slowStart doubles its batches", async () => {
  let running = 0;
  const peaks: number[] = [];
  const result = await slowStart(10, async () => {
    running++;
    await Promise.resolve();
    peaks.push(running);
    await Promise.resolve();
    running--;
  });
  assert.deepEqual(result, { successes: 10, error: undefined });
  assert.deepEqual([...new Set(peaks)], [1, 2, 4, 3]);
});

test("slowStart stops after the first batch with a failure", async () => {
  let calls = 0;
  const result = await slowStart(100, async () => {
    if (++calls === 3) throw new Error("full");
  });
  assert.equal(calls, 3);
  assert.equal(result.successes, 2);
  assert.match(String(result.error), /full/);
});
