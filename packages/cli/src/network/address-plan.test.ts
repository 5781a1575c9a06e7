// The choice of address ranges.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findOverlap, nodeAddress, overlaps, planAddresses, planWithin } from "./address-plan.ts";

test("overlaps compares ranges of different sizes, and single addresses", () => {
  assert.ok(overlaps("10.1.0.0/16", "10.0.0.0/8"));
  assert.ok(overlaps("10.1.2.3", "10.1.0.0/16"));
  assert.ok(!overlaps("10.1.0.0/16", "10.2.0.0/16"));
  assert.ok(!overlaps("10.1.0.0/16", "fd00::/64"));
});

test("planAddresses gives a cluster the same range each time, and another when the host uses that", () => {
  const first = planAddresses("aaaaaa", []);
  assert.deepEqual(planAddresses("aaaaaa", []), first);
  const second = planAddresses("aaaaaa", [{ cidr: first.range, owner: "tun0" }]);
  assert.notEqual(second.range, first.range);
});

test("planAddresses leaves 10.0.0.0/8 when a VPN has all of it, and says who when nothing is left", () => {
  const vpn = { cidr: "10.0.0.0/8", owner: "tun0" };
  assert.match(planAddresses("aaaaaa", [vpn]).range, /^172\./);
  const all = [vpn, { cidr: "172.16.0.0/12", owner: "docker0" }];
  assert.throws(() => planAddresses("aaaaaa", all), /10\.0\.0\.0\/8 \(tun0\).*172\.16\.0\.0\/12 \(docker0\)/);
});

test("planWithin keeps nodes, Services and pods apart and inside the one range", () => {
  const plan = planWithin("10.42");
  const parts = [plan.nodes, plan.services, plan.pods];
  for (const part of parts) {
    assert.ok(overlaps(plan.range, part));
    assert.deepEqual(
      parts.filter((other) => overlaps(part, other)),
      [part],
    );
  }
  assert.equal(nodeAddress(plan, 1), "10.42.0.12");
  assert.ok(overlaps(plan.services, plan.apiService));
});

test("findOverlap names who took the cluster's range", () => {
  assert.equal(findOverlap(planWithin("10.42"), [{ cidr: "10.42.7.0/24", owner: "br-x" }])?.owner, "br-x");
});
