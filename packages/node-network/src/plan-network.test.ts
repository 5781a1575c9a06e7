import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "@skiff/api/types.ts";
import { peersOf, planRoutes, planVxlan, vxlanMac } from "./plan-network.ts";

function node(name: string, address: string | undefined, podCIDRs: string[]): Node {
  return {
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { podCIDRs },
    status: { addresses: address ? [{ type: "InternalIP", address }] : [] },
  };
}

const nodes = [
  node("self", "10.0.0.2", ["10.244.0.0/24"]),
  node("b", "10.0.0.4", ["10.244.2.0/24", "fd00::/64"]),
  node("a", "10.0.0.3", ["10.244.1.0/24"]),
  node("without-address", undefined, ["10.244.3.0/24"]),
  node("without-range", "10.0.0.6", []),
];

test("peersOf leaves out this node and those that cannot be reached yet", () => {
  assert.deepEqual(peersOf(nodes, "self"), [
    { node: "a", address: "10.0.0.3", podCidr: "10.244.1.0/24" },
    { node: "b", address: "10.0.0.4", podCidr: "10.244.2.0/24" },
  ]);
});

test("planRoutes sends each pod range to its node", () => {
  const { routes, tunnels } = planRoutes(peersOf(nodes, "self"));
  assert.deepEqual(
    [...routes],
    [
      ["10.244.1.0/24", "via 10.0.0.3"],
      ["10.244.2.0/24", "via 10.0.0.4"],
    ],
  );
  assert.deepEqual(tunnels, []);
});

test("planVxlan gives every peer a tunnel end whose MAC both sides can derive", () => {
  const { routes, tunnels } = planVxlan(peersOf(nodes, "self"));
  assert.equal(routes.get("10.244.1.0/24"), "via 10.244.1.0 dev skiff.vxlan onlink");
  assert.deepEqual(tunnels[0], { overlayAddress: "10.244.1.0", mac: "02:53:0a:00:00:03", nodeAddress: "10.0.0.3" });
  assert.equal(vxlanMac("192.168.255.1"), "02:53:c0:a8:ff:01");
});
