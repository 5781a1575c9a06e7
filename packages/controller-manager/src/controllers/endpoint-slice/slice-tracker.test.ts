// When a cache of slices is too old to plan on.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice } from "@skiff/api/types.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { GIVE_UP_AFTER_MS, SliceTracker } from "./slice-tracker.ts";

const slice = (uid: string, resourceVersion: string): EndpointSlice => ({
  metadata: { name: uid, uid, resourceVersion, creationTimestamp: "" },
  addressType: "IPv4",
});

test("slice tracker is behind until the cache has each written version or a newer one", () => {
  const tracker = new SliceTracker(new FakeClock());
  tracker.wrote("ns/web", slice("a", "99"));
  assert.ok(tracker.isBehind("ns/web", []));
  assert.ok(tracker.isBehind("ns/web", [slice("a", "98")]));
  assert.ok(!tracker.isBehind("ns/web", [slice("a", "100")]));
  assert.ok(!tracker.isBehind("ns/other", []));
});

test("slice tracker waits neither for a removed slice nor for ever", async () => {
  const clock = new FakeClock();
  const tracker = new SliceTracker(clock);
  tracker.wrote("ns/web", slice("a", "5"));
  tracker.wrote("ns/web", slice("b", "6"));
  tracker.removed("ns/web", "a");
  assert.ok(tracker.isBehind("ns/web", []));
  await clock.advance(GIVE_UP_AFTER_MS + 1);
  assert.ok(!tracker.isBehind("ns/web", []));
});
