// What a machine lets containers do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCapability } from "./prepare-node.ts";

test("hasCapability reads the effective set", () => {
  const status = (mask: string) => `Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t${mask}\n`;
  assert.equal(hasCapability(status("000001ffffffffff"), 24), true);
  assert.equal(hasCapability(status("000001fffeffffff"), 24), false);
});
