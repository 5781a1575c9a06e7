// When a controller may act again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { Expectations } from "./expectations.ts";

test("expectations hold until all creations were seen", () => {
  const expectations = new Expectations(new FakeClock());
  assert.ok(expectations.satisfied("k"));
  expectations.expectCreations("k", 2);
  expectations.creationObserved("k");
  assert.ok(!expectations.satisfied("k"));
  expectations.creationObserved("k");
  assert.ok(expectations.satisfied("k"));
});

test("expectations count a deletion seen twice once", () => {
  const expectations = new Expectations(new FakeClock());
  expectations.expectDeletions("k", ["a", "b"]);
  expectations.deletionObserved("k", "a");
  expectations.deletionObserved("k", "a");
  assert.ok(!expectations.satisfied("k"));
  expectations.deletionObserved("k", "b");
  assert.ok(expectations.satisfied("k"));
});

test("expectations that are never met end after five minutes", async () => {
  const clock = new FakeClock();
  const expectations = new Expectations(clock);
  expectations.expectCreations("k", 1);
  await clock.advance(5 * 60_000);
  assert.ok(!expectations.satisfied("k"));
  await clock.advance(1);
  assert.ok(expectations.satisfied("k"));
});
