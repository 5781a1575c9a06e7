// What of a kernel keeps a kubelet from starting that is told to mind it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelFlagProblems } from "./kernel-flags.ts";

test("kernelFlagProblems names each flag that is not as upstream wants it", () => {
  assert.deepEqual(kernelFlagProblems([1, 0, 10, 1, 1_000_000, 25_000_000]), []);
  assert.deepEqual(kernelFlagProblems([0, 0, 10, 1, 1_000_000, 20_000]), [
    "invalid kernel flag: vm/overcommit_memory, expected value: 1, actual value: 0",
    "invalid kernel flag: kernel/keys/root_maxbytes, expected value: 25000000, actual value: 20000",
  ]);
});
