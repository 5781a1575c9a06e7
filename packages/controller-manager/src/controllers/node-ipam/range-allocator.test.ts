// Pod subnets: given once, found again after a restart, freed with their node.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "@skiff/api/types.ts";
import { RangeAllocator } from "./range-allocator.ts";

const options = { clusterCidrs: ["10.244.0.0/22"], maskSizeV4: 24, maskSizeV6: 64, serviceCidrs: [] as string[] };
const node = (name: string, podCIDRs?: string[]): Node => ({
  metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "" },
  spec: podCIDRs ? { podCIDR: podCIDRs[0], podCIDRs } : {},
});

test("range allocator gives each node another subnet and offers the same one again until it is seen", () => {
  const allocator = new RangeAllocator(options);
  assert.deepEqual(allocator.allocate("a"), ["10.244.0.0/24"]);
  assert.deepEqual(allocator.allocate("a"), ["10.244.0.0/24"]);
  assert.deepEqual(allocator.allocate("b"), ["10.244.1.0/24"]);
});

test("range allocator respects what nodes hold at start, and runs out", () => {
  const allocator = new RangeAllocator(options);
  for (const index of [0, 1, 3]) allocator.observe(node(`n${index}`, [`10.244.${index}.0/24`]));
  assert.deepEqual(allocator.allocate("new"), ["10.244.2.0/24"]);
  assert.equal(allocator.allocate("late"), undefined);
  allocator.release("n1");
  assert.deepEqual(allocator.allocate("late"), ["10.244.1.0/24"]);
});

test("range allocator takes the next subnet rather than one just freed", () => {
  const allocator = new RangeAllocator(options);
  allocator.allocate("a");
  allocator.release("a");
  assert.deepEqual(allocator.allocate("b"), ["10.244.1.0/24"]);
});

test("range allocator keeps clear of the Service range and of wider subnets held by nodes", () => {
  const allocator = new RangeAllocator({ ...options, serviceCidrs: ["10.244.0.128/25"] });
  allocator.observe(node("wide", ["10.244.2.0/23"]));
  assert.deepEqual(allocator.allocate("a"), ["10.244.1.0/24"]);
  assert.equal(allocator.allocate("b"), undefined);
});

test("range allocator gives one subnet of each IP version or none", () => {
  const dual = new RangeAllocator({ ...options, clusterCidrs: ["10.244.0.0/23", "fd00::/63"] });
  assert.deepEqual(dual.allocate("a"), ["10.244.0.0/24", "fd00::/64"]);
  dual.observe(node("six", ["fd00:0:0:1::/64"]));
  assert.equal(dual.allocate("b"), undefined);
  dual.release("six");
  assert.deepEqual(dual.allocate("b"), ["10.244.1.0/24", "fd00:0:0:1::/64"]);
});

test("range allocator refuses a mask wider than the range", () => {
  assert.throws(() => new RangeAllocator({ ...options, maskSizeV4: 16 }), /node mask \/16 is larger/);
});
