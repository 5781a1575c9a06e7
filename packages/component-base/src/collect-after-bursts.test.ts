// When memory is given back, and that a collection really shrinks the heap.
import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { realClock } from "./clock.ts";
import { collectAfterBursts, type Sample, v8Heap } from "./collect-after-bursts.ts";

/** How often it collects while the looks find these samples. */
async function collectionsOf(samples: Sample[]): Promise<number> {
  const ending = new AbortController();
  let collections = 0;
  const heap = {
    sample() {
      const next = samples.shift();
      if (samples.length === 0) ending.abort();
      assert.ok(next);
      return next;
    },
    collect() {
      collections += 1;
    },
  };
  await collectAfterBursts({ ...realClock, sleep: () => Promise.resolve() }, ending.signal, heap);
  return collections;
}

const at = (megabytes: number, cpuMs: number): Sample => ({ heap: megabytes * 1e6, cpuMs });

/** So many looks at a program that hardly works. */
const resting = (megabytes: number, cpuMs: number, looks: number): Sample[] =>
  Array.from({ length: looks }, (_, i) => at(megabytes, cpuMs + i));

test("collectAfterBursts collects once after a burst", async () => {
  const burst = [at(40, 0), at(70, 450), at(90, 900), ...resting(90, 900, 6)];
  // The sample after the collection is the new start.
  const rest = [at(42, 950), ...resting(43, 950, 20)];
  assert.equal(await collectionsOf([...burst, ...rest]), 1);
});

test("collectAfterBursts leaves alone a program at work, a heap that is not worth it and one that is too large", async () => {
  assert.equal(
    await collectionsOf([at(40, 0), at(90, 450), ...resting(90, 460, 5), at(90, 1300), ...resting(90, 1310, 5)]),
    0,
  );
  assert.equal(await collectionsOf([at(40, 0), ...resting(50, 1, 20)]), 0);
  assert.equal(await collectionsOf([at(40, 0), ...resting(900, 1, 20)]), 0);
});

test("v8Heap collects", () => {
  const heap = v8Heap();
  heap.collect();
  const before = getHeapStatistics().used_heap_size;
  let garbage: object[] | undefined = Array.from({ length: 400_000 }, (_, i) => ({ text: `garbage ${i}` }));
  const grown = getHeapStatistics().used_heap_size - before;
  assert.equal(garbage.length, 400_000);
  garbage = undefined;
  heap.collect();
  assert.ok(getHeapStatistics().used_heap_size - before < grown / 2);
});
