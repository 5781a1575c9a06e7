// The decisions of priority and fairness: who belongs where, how many seats there are, whose turn it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlowSchema } from "@skiff/api/types.ts";
import { parseRequestInfo } from "../http/parse-request-info.ts";
import { LEVELS, SCHEMAS } from "./bootstrap-objects.ts";
import { divideConcurrency, lendSeats, smoothDemand } from "./concurrency.ts";
import { DemandMeter } from "./demand-meter.ts";
import { estimateWork, type WorkFacts } from "./estimate-work.ts";
import { FairQueues, type Waiter } from "./fair-queues.ts";
import { corrected, withDangling } from "./maintain-objects.ts";
import { byPrecedence, compileFlowSchema, distinguisherOf } from "./match-flow.ts";
import { RetryAfter } from "./retry-after.ts";
import { dealHand } from "./shuffle-shard.ts";
import { WatchTracker } from "./watch-tracker.ts";

const saved = SCHEMAS.map((schema) => ({ ...schema, metadata: { ...schema.metadata } }) as FlowSchema);
const compiled = saved.toSorted(byPrecedence).map((schema) => ({ schema, matches: compileFlowSchema(schema) }));
const infoOf = (method: string, url: string) => {
  const [path = "", query = ""] = url.split("?");
  return parseRequestInfo(method, path, new URLSearchParams(query));
};
const everybody = "system:authenticated";
const account = (namespace: string, name: string) => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, everybody],
});

test("the built-in schemas sort requests as upstream's do", () => {
  const node = { name: "system:node:n1", groups: ["system:nodes", everybody] };
  const manager = { name: "system:kube-controller-manager", groups: [everybody] };
  const lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x";
  const cases: [{ name: string; groups: string[] }, string, string, string][] = [
    [{ name: "admin", groups: ["system:masters", everybody] }, "GET", "/api/v1/pods", "exempt"],
    [{ name: "system:anonymous", groups: ["system:unauthenticated"] }, "GET", "/readyz", "probes"],
    [{ name: "jane", groups: [everybody] }, "GET", "/readyz/etcd", "global-default"],
    [manager, "PUT", lease, "system-leader-election"],
    [manager, "PUT", "/api/v1/namespaces/a/endpoints/x", "kube-controller-manager"],
    [manager, "POST", "/api/v1/namespaces/a/pods", "kube-controller-manager"],
    [account("kube-system", "job"), "PUT", lease, "system-leader-election"],
    [account("kube-system", "job"), "PUT", "/api/v1/namespaces/a/configmaps/x", "kube-system-service-accounts"],
    [node, "PATCH", "/api/v1/nodes/n1/status", "system-node-high"],
    [node, "GET", "/api/v1/namespaces/a/pods/x", "system-nodes"],
    [{ name: "system:kube-scheduler", groups: [everybody] }, "GET", "/api/v1/pods", "kube-scheduler"],
    [account("a", "web"), "GET", "/api/v1/pods", "service-accounts"],
    [{ name: "jane", groups: [everybody] }, "DELETE", "/api/v1/namespaces/a/pods/x", "global-default"],
  ];
  for (const [user, method, url, wanted] of cases) {
    const found = compiled.find(({ matches }) => matches(infoOf(method, url), { ...user, extra: {} }));
    assert.equal(found?.schema.metadata.name, wanted, `${user.name} ${method} ${url}`);
  }
  assert.deepEqual(
    SCHEMAS.filter(
      ({ spec }) => !LEVELS.some(({ metadata }) => metadata.name === spec?.priorityLevelConfiguration.name),
    ),
    [],
  );
});

test("distinguisherOf tells flows apart by user, by namespace or not at all", () => {
  const info = infoOf("GET", "/api/v1/namespaces/a/pods");
  const user = { name: "jane", groups: [], extra: {} };
  const of = (name: string) =>
    distinguisherOf(saved.find(({ metadata }) => metadata.name === name) as FlowSchema, info, user);
  assert.deepEqual([of("global-default"), of("kube-scheduler"), of("exempt")], ["jane", "a", ""]);
});

test("divideConcurrency gives shares, and what may be lent and borrowed", () => {
  const [one, two] = divideConcurrency(600, [
    { shares: 30, lendablePercent: 33, borrowingLimitPercent: undefined },
    { shares: 215, lendablePercent: 0, borrowingLimitPercent: 10 },
  ]);
  assert.deepEqual(one, { nominal: 74, lower: 50, upper: 674 });
  assert.deepEqual(two, { nominal: 527, lower: 527, upper: 580 });
});

test("lendSeats moves seats from levels that need none to those that do, within their bounds", () => {
  const level = { isExempt: false, nominal: 100, lower: 20, upper: 250 };
  const idle = { ...level, highWatermark: 0, smoothed: 0 };
  const calm = lendSeats([idle, idle, idle]);
  assert.deepEqual(calm.limits, [100, 100, 100]);
  const busy = { ...level, highWatermark: 500, smoothed: 500 };
  assert.deepEqual(lendSeats([busy, idle, idle]).limits, [250, 25, 25]);
  assert.deepEqual(lendSeats([busy, busy, idle]).limits, [140, 140, 20]);
  // What is exempt has what it takes, and leaves less for the others where that is much.
  const exempt = { isExempt: true, nominal: 0, lower: 0, upper: 300, smoothed: 0 };
  assert.deepEqual(lendSeats([idle, idle, idle, { ...exempt, highWatermark: 7 }]).limits, [100, 100, 100, 7]);
  const half = { ...level, highWatermark: 60, smoothed: 60 };
  assert.deepEqual(lendSeats([half, half, half, { ...exempt, highWatermark: 180 }]).limits, [40, 40, 40, 180]);
  assert.deepEqual(lendSeats([half, half, half, { ...exempt, highWatermark: 290 }]).limits, [20, 20, 20, 290]);
  const stingy = { ...idle, lower: 100 };
  assert.deepEqual(lendSeats([busy, stingy, stingy]).limits, [100, 100, 100]);
});

test("DemandMeter averages over time, and smoothDemand falls slowly", () => {
  const meter = new DemandMeter(0);
  meter.set(10, 100);
  meter.set(0, 200);
  const demand = meter.reset(400);
  assert.deepEqual([demand.highWatermark, demand.average], [10, 2.5]);
  assert.ok(Math.abs(demand.deviation - Math.sqrt(18.75)) < 1e-9);
  assert.equal(smoothDemand(0, { highWatermark: 5, average: 4, deviation: 1 }), 5);
  assert.ok(smoothDemand(100, { highWatermark: 0, average: 0, deviation: 0 }) > 97);
});

test("dealHand gives each flow different queues, always the same", () => {
  const hand = dealHand("global-default", "jane", 128, 6);
  assert.equal(new Set(hand).size, 6);
  assert.ok(hand.every((queue) => queue >= 0 && queue < 128));
  assert.deepEqual(dealHand("global-default", "jane", 128, 6), hand);
  assert.notDeepEqual(dealHand("global-default", "joe", 128, 6), hand);
  for (let i = 0; i < 200; i++) assert.equal(new Set(dealHand("x", String(i), 5, 5)).size, 5);
});

test("FairQueues gives a flow with few requests its turn before one with many", () => {
  const queues = new FairQueues<Waiter & { readonly id: string }>();
  const estimate = { seats: 1, finalSeats: 0, lingerMs: 0 };
  const waiter = (id: string) => ({ id, seats: 1, estimate, schema: "s", distinguisher: "", arrivedMs: 0 });
  const [crowd, single] = [queues.choose([1], 50), queues.choose([2], 50)];
  assert.ok(crowd && single);
  for (let i = 0; i < 10; i++) queues.push(crowd, waiter(`crowd-${i}`));
  queues.push(single, waiter("single"));
  const order: string[] = [];
  for (let turn = queues.next(); turn; turn = queues.next()) {
    order.push(turn.waiter.id);
    queues.start(turn.queue);
    queues.finish(turn.queue, 1, 100);
    queues.release(turn.queue, 1);
  }
  assert.deepEqual(order.slice(0, 3), ["crowd-0", "single", "crowd-1"]);
  assert.equal(order.length, 11);
  assert.deepEqual([queues.waiting, queues.waitingSeats], [0, 0]);
  const full = queues.choose([3], 1);
  assert.ok(full);
  queues.push(full, waiter("one"));
  assert.equal(queues.choose([3], 1), undefined);
  assert.equal(queues.choose([3, 4], 1)?.index, 4, "the less burdened of the hand");
});

test("estimateWork counts what lists read, at most what a level gives to one request", () => {
  const seats = (url: string, objects: number, maxSeats = Number.POSITIVE_INFINITY) =>
    estimate("GET", url, { sizeOf: () => ({ objects, averageBytes: 1000 }), maxSeats }).seats;
  assert.equal(seats("/api/v1/pods", 250), 3);
  assert.equal(seats("/api/v1/pods?limit=100", 250), 1);
  assert.equal(seats("/api/v1/pods", 100_000), 10);
  assert.equal(seats("/api/v1/pods", 100_000, 4), 4);
  assert.equal(seats("/api/v1/pods?fieldSelector=metadata.name%3Dx", 100_000), 1);
  assert.equal(seats("/api/v1/namespaces/a/pods/x", 100_000), 1);
  assert.equal(seats("/api/v1/pods?watch=1&resourceVersion=7", 100_000), 1);
  assert.equal(seats("/api/v1/pods?watch=1&resourceVersion=0", 100_000), 10);
  assert.equal(seats("/api/v1/pods?watch=1&resourceVersion=7&sendInitialEvents=true", 100_000), 10);
});

test("estimateWork lets a write keep seats for the watchers that it wakes", () => {
  const write = (watchers: number, maxSeats = 10, url = "/api/v1/namespaces/a/pods") =>
    estimate("POST", url, { watchersOf: () => watchers, maxSeats });
  assert.deepEqual(write(9), { seats: 1, finalSeats: 0, lingerMs: 0 });
  assert.deepEqual(write(45), { seats: 1, finalSeats: 5, lingerMs: 5 });
  assert.deepEqual(write(1000), { seats: 1, finalSeats: 10, lingerMs: 50 }, "no wider, but longer");
  assert.deepEqual(write(45, 2), { seats: 1, finalSeats: 2, lingerMs: 12.5 });
  assert.equal(write(1000, 10, "/api/v1/namespaces/a/serviceaccounts/x/token").finalSeats, 0);
  const many = { watchersOf: () => 1000 };
  assert.equal(estimate("DELETE", "/api/v1/namespaces/a/pods", many).finalSeats, 0, "deletecollection");
});

function estimate(method: string, url: string, facts: Partial<WorkFacts>) {
  const none = { sizeOf: () => ({ objects: 0, averageBytes: 0 }), watchersOf: () => 0, maxSeats: 10 };
  return estimateWork(infoOf(method, url), new URLSearchParams(url.split("?")[1]), { ...none, ...facts });
}

test("WatchTracker counts the watches that a write concerns", () => {
  const tracker = new WatchTracker();
  const watch = (url: string) => tracker.register(infoOf("GET", url), new URLSearchParams(url.split("?")[1]));
  const concerned = (url: string) => tracker.interestedIn(infoOf("PUT", url));
  const forget = watch("/api/v1/pods?watch=1");
  watch("/api/v1/namespaces/a/pods?watch=1");
  watch("/api/v1/namespaces/a/pods?watch=1&fieldSelector=metadata.name%3Dx");
  watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1");
  watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D");
  assert.equal(concerned("/api/v1/namespaces/a/pods/x"), 4);
  assert.equal(concerned("/api/v1/namespaces/a/pods/y"), 3);
  assert.equal(concerned("/api/v1/namespaces/b/pods/x"), 2);
  assert.equal(concerned("/api/v1/namespaces/a/secrets/x"), 0);
  forget();
  assert.equal(concerned("/api/v1/namespaces/b/pods/x"), 1);
});

test("RetryAfter doubles while many are refused and falls by one when few are", () => {
  const retry = new RetryAfter();
  const refuse = (at: number, count: number) => {
    for (let i = 0; i < count; i++) retry.record(at);
    return retry.seconds;
  };
  assert.equal(refuse(100, 50), 1, "the running second is not looked at");
  assert.equal(refuse(101, 50), 2);
  assert.equal(refuse(102, 50), 2, "one spike raises it once");
  assert.equal(refuse(103, 50), 4);
  for (let at = 104; at < 150; at++) refuse(at, 100);
  assert.equal(retry.seconds, 32, "and no further");
  assert.equal(refuse(200, 1), 31);
  assert.equal(refuse(300, 1), 30);
});

test("built-in objects are put right unless a person has taken them over", () => {
  const wanted = saved.find(({ metadata }) => metadata.name === "service-accounts");
  assert.ok(wanted);
  const object = structuredClone(wanted);
  assert.equal(corrected(object, wanted), undefined);
  const changed = structuredClone(object);
  if (changed.spec) changed.spec.matchingPrecedence = 5;
  assert.equal(corrected(changed, wanted)?.spec?.matchingPrecedence, 9000);
  const annotations = { "apf.kubernetes.io/autoupdate-spec": "false" };
  const taken: FlowSchema = { ...changed, metadata: { ...changed.metadata, annotations } };
  assert.equal(corrected(taken, wanted), undefined);
  const told = withDangling(object, true, "2026-01-01T00:00:00Z");
  assert.equal(told?.status?.conditions?.[0]?.reason, "NotFound");
  assert.equal(told && withDangling(told, true, ""), undefined);
});
