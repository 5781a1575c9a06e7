// Seats of one level over time, on a clock that is moved by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlowSchema, PriorityLevelConfiguration } from "@skiff/api/types.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { parseRequestInfo } from "../http/parse-request-info.ts";
import { Flow } from "./flow.ts";
import { FlowMetrics } from "./flow-metrics.ts";
import { PriorityLevel } from "./priority-level.ts";

test("PriorityLevel keeps the seats of a write's watchers after its answer, and lets those who wait in after that", async () => {
  const clock = new FakeClock();
  const metrics = new FlowMetrics(new MetricsRegistry(), clock, 600);
  const level = new PriorityLevel("l", { clock, metrics });
  const queuing = { queues: 1, handSize: 1, queueLengthLimit: 5 };
  const limitResponse = { type: "Queue", queuing };
  const spec = { type: "Limited", limited: { nominalConcurrencyShares: 1, limitResponse } };
  level.configure({ metadata: { name: "l" }, spec } as PriorityLevelConfiguration);
  level.limits = { nominal: 4, lower: 4, upper: 4 };
  level.setLimit(4);
  const flow = new Flow({ metadata: { name: "f" }, spec: {} } as FlowSchema, level, undefined);
  const info = parseRequestInfo("POST", "/api/v1/namespaces/a/pods", new URLSearchParams());
  const user = { name: "jane", groups: [], extra: {} };
  const write = { flow, kind: "mutating" as const, isWatch: false, info, user };
  const place = level.enterAtOnce({ ...write, estimate: { seats: 1, finalSeats: 4, lingerMs: 20 } });
  assert.ok(place);
  const next = { ...write, estimate: { seats: 1, finalSeats: 0, lingerMs: 0 } };
  assert.equal(level.enterAtOnce(next), undefined, "all seats are taken from the start");
  let entered = false;
  const waiting = level.enterQueue({
    ...next,
    distinguisher: "",
    waitLimitMs: 1000,
    signal: new AbortController().signal,
  });
  void waiting.then(() => {
    entered = true;
  });
  place.leave();
  await clock.advance(19);
  assert.deepEqual([entered, level.running.size, level.seatsInUse, level.maxSeats], [false, 0, 4, 1]);
  await clock.advance(1);
  const second = await waiting;
  assert.deepEqual([level.running.size, level.seatsInUse], [1, 1]);
  second.leave();
  assert.equal(level.seatsInUse, 0);
});
