// The heap against a model, at random.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Heap } from "./heap.ts";

test("heap pops in order whatever was put, replaced and removed", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % below;
  };
  const heap = new Heap<{ key: string; rank: number }>(
    (item) => item.key,
    (a, b) => a.rank - b.rank,
  );
  const model = new Map<string, number>();
  for (let step = 0; step < 3000; step++) {
    const key = `k${random(200)}`;
    if (random(4) === 0) {
      assert.equal(heap.remove(key)?.rank, model.get(key), `seed ${seed}`);
      model.delete(key);
    } else {
      const rank = random(1000);
      heap.put({ key, rank });
      model.set(key, rank);
    }
  }
  assert.equal(heap.size, model.size);
  const ranks = Array.from({ length: heap.size }, () => heap.pop()?.rank);
  assert.deepEqual(
    ranks,
    [...model.values()].toSorted((a, b) => a - b),
    `seed ${seed}`,
  );
});
