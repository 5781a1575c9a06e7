// When a node counts as silent, and how fast a zone evicts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lease, Node } from "@skiff/api/types.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { EvictionQueue } from "./eviction-queue.ts";
import { isSilent, observeHeartbeat, silentConditions } from "./node-health.ts";
import { evictionRate, zoneStateOf } from "./zones.ts";

const PERIODS = { gracePeriodMs: 50_000, startupGracePeriodMs: 60_000 };
const START = Date.parse("2026-01-01T00:00:00Z");
const at = (seconds: number) => ({ wallMs: START + seconds * 1000, monotonicMs: seconds * 1000 });

function node(heartbeat?: string): Node {
  const conditions = heartbeat ? [{ type: "Ready", status: "True", lastHeartbeatTime: heartbeat }] : [];
  return {
    metadata: { name: "n", uid: "n", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {},
    status: { conditions },
  };
}

const lease = (renewTime: string): Lease => ({
  metadata: { name: "n", uid: "l", resourceVersion: "1", creationTimestamp: "" },
  spec: { renewTime },
});

test("a node is silent when neither its status nor its Lease changed for the grace period, whatever their times say", () => {
  const ancient = node("1999-01-01T00:00:00Z");
  let record = observeHeartbeat(undefined, ancient, lease("1999-01-01T00:00:00Z"), at(0));
  assert.ok(!isSilent(record, ancient, PERIODS, at(50)));
  record = observeHeartbeat(record, ancient, lease("1999-01-01T00:00:10Z"), at(40));
  assert.ok(!isSilent(record, ancient, PERIODS, at(90)));
  record = observeHeartbeat(record, ancient, lease("1999-01-01T00:00:10Z"), at(90));
  assert.ok(isSilent(record, ancient, PERIODS, at(91)));
});

test("a node that never spoke counts from its creation and gets the startup grace", () => {
  const record = observeHeartbeat(undefined, node(), undefined, at(30));
  assert.ok(!isSilent(record, node(), PERIODS, at(60)));
  assert.ok(isSilent(record, node(), PERIODS, at(61)));
  const conditions = silentConditions(node(), at(61));
  assert.deepEqual(
    conditions?.map(({ type, reason }) => [type, reason]),
    [
      ["Ready", "NodeStatusNeverUpdated"],
      ["MemoryPressure", "NodeStatusNeverUpdated"],
      ["DiskPressure", "NodeStatusNeverUpdated"],
      ["PIDPressure", "NodeStatusNeverUpdated"],
    ],
  );
});

test("silentConditions changes a status to Unknown once", () => {
  const spoken = node("2026-01-01T00:00:00Z");
  const conditions = silentConditions(spoken, at(60)) ?? [];
  assert.deepEqual(
    [conditions[0]?.status, conditions[0]?.reason, conditions[0]?.lastTransitionTime, conditions[0]?.lastHeartbeatTime],
    ["Unknown", "NodeStatusUnknown", "2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z"],
  );
  assert.equal(silentConditions({ ...spoken, status: { conditions } }, at(70)), undefined);
});

test("zoneStateOf needs more than two broken nodes for a partial disruption", () => {
  assert.equal(zoneStateOf({ ready: 1, notReady: 2 }, 0.55), "Normal");
  assert.equal(zoneStateOf({ ready: 2, notReady: 3 }, 0.55), "PartialDisruption");
  assert.equal(zoneStateOf({ ready: 0, notReady: 1 }, 0.55), "FullDisruption");
});

test("evictionRate slows a large troubled zone, stops a small one, and stops all when every zone is down", () => {
  const rates = { evictionRate: 0.1, secondaryEvictionRate: 0.01, largeClusterThreshold: 50 };
  assert.equal(evictionRate("Normal", { ready: 5, notReady: 1 }, false, rates), 0.1);
  assert.equal(evictionRate("FullDisruption", { ready: 0, notReady: 5 }, false, rates), 0.1);
  assert.equal(evictionRate("PartialDisruption", { ready: 10, notReady: 50 }, false, rates), 0.01);
  assert.equal(evictionRate("PartialDisruption", { ready: 2, notReady: 8 }, false, rates), 0);
  assert.equal(evictionRate("FullDisruption", { ready: 0, notReady: 5 }, true, rates), 0);
});

test("eviction queue lets the first node through at once and the next at the rate", async () => {
  const clock = new FakeClock();
  const released: string[] = [];
  using queue = new EvictionQueue(0.1, (name) => released.push(name), clock);
  for (const name of ["a", "b", "recovered", "c"]) queue.add(name);
  queue.remove("recovered");
  assert.deepEqual(released, ["a"]);
  await clock.advance(10_100);
  assert.deepEqual(released, ["a", "b"]);
  queue.setRate(0);
  await clock.advance(60_000);
  assert.deepEqual(released, ["a", "b"]);
  queue.setRate(1);
  assert.deepEqual(released, ["a", "b", "c"]);
});
