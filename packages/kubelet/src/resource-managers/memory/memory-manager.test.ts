// The memory that the static policy counts on machines with huge pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryManager } from "./memory-manager.ts";
import { decodeMemoryState } from "./memory-state.ts";

const GIB = 2 ** 30;

test("huge pages are part of a node's memory that is given out as pages alone, as upstream writes it down", async () => {
  let saved = "";
  const file = {
    read: async () => undefined,
    save: (text: string) => {
      saved = text;
    },
  };
  const node = { id: 0, memoryBytes: 8 * GIB, hugePages: new Map([["1Gi", 2 * GIB]]), distances: [10] };
  const reserved = new Map([[0, new Map([["memory", GIB]])]]);
  const manager = new MemoryManager({ nodes: [node], reserved }, { file });
  await manager.restore();
  const { memoryMap } = decodeMemoryState(saved, "Static").machine[0] ?? { memoryMap: {} };
  assert.deepEqual(memoryMap, {
    memory: { total: 8 * GIB, systemReserved: GIB, allocatable: 5 * GIB, reserved: 0, free: 5 * GIB },
    "hugepages-1Gi": { total: 2 * GIB, systemReserved: 0, allocatable: 2 * GIB, reserved: 0, free: 2 * GIB },
  });
  assert.deepEqual(
    manager.allocatable.map(({ type, size }) => [type, size]),
    [
      ["memory", 5 * GIB],
      ["hugepages-1Gi", 2 * GIB],
    ],
  );
});
