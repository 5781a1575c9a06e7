// What pods may use of a node.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseThresholds } from "../eviction/thresholds.ts";
import { nodeAllocatable, nodeCapacity, podsMemoryBytes } from "./allocatable.ts";

const GIB = 2 ** 30;
const size = { cpus: 2, memoryBytes: 4 * GIB, storageBytes: 100 * GIB, maxPods: 110, hugePages: new Map([["2Mi", 0]]) };

test("allocatable is capacity less reservations and hard eviction thresholds", () => {
  const thresholds = parseThresholds({
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "10%" },
    evictionSoft: { "memory.available": "1Gi" },
    evictionSoftGracePeriod: { "memory.available": "1m" },
    evictionMinimumReclaim: {},
  });
  const reservation = {
    kubeReserved: { cpu: "100m", memory: "500Mi" },
    systemReserved: { memory: "524Mi" },
    thresholds,
  };
  const allocatable = nodeAllocatable(size, reservation);
  assert.equal(allocatable.cpu, "1900m");
  assert.equal(allocatable.memory, `${(4 * GIB - 1024 * 2 ** 20 - 100 * 2 ** 20) / 1024}Ki`);
  assert.equal(Number(allocatable["ephemeral-storage"]), 90 * GIB);
  assert.equal(podsMemoryBytes(size, reservation), 3 * GIB);
});

test("capacity shows the machine as it is", () => {
  assert.deepEqual(nodeCapacity(size), {
    cpu: "2",
    memory: "4194304Ki",
    "ephemeral-storage": "104857600Ki",
    pods: "110",
    "hugepages-2Mi": "0",
  });
});

test("huge pages are no memory that pods could ask for as such", () => {
  const reservation = { kubeReserved: { "hugepages-2Mi": "4Mi" }, systemReserved: {}, thresholds: [] };
  const pages = {
    ...size,
    hugePages: new Map([
      ["2Mi", 2 ** 24],
      ["1Gi", GIB],
    ]),
  };
  const allocatable = nodeAllocatable(pages, reservation);
  assert.equal(allocatable.memory, `${(3 * GIB - 2 ** 24) / 1024}Ki`);
  assert.deepEqual([allocatable["hugepages-2Mi"], allocatable["hugepages-1Gi"]], ["12288Ki", "1048576Ki"]);
  assert.equal(nodeCapacity(pages).memory, "4194304Ki");
});

test("a node that does not give out its disk has none in its status", () => {
  const diskless = { ...size, storageBytes: undefined };
  const reservation = { kubeReserved: {}, systemReserved: { "ephemeral-storage": "1Gi" }, thresholds: [] };
  assert.equal("ephemeral-storage" in nodeCapacity(diskless), false);
  assert.equal("ephemeral-storage" in nodeAllocatable(diskless, reservation), false);
});
