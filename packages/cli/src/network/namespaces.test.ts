// The commands that make a cluster's network.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutOf, nodeLayoutOf, nodeNames } from "../layout.ts";
import { planWithin } from "./address-plan.ts";
import { hostCommands, nodeCommands, switchCommands } from "./namespaces.ts";

const layout = layoutOf("/var/lib/some cluster");
const nodes = nodeNames(2).map((name) => nodeLayoutOf(layout, name));
const wish = { layout, addresses: planWithin("10.42"), nodes, isolated: true, mtu: 1400 };

test("an isolated cluster gets no default route anywhere, another one in every namespace", () => {
  const routes = (isolated: boolean) =>
    [...switchCommands({ ...wish, isolated }), ...nodeCommands({ ...wish, isolated }, 0)].filter((line) =>
      line.startsWith("route add default"),
    );
  assert.deepEqual(routes(true), []);
  assert.deepEqual(routes(false), ["route add default via 10.42.0.2", "route add default via 10.42.0.2"]);
});

test("the host sends Services to a node, and the rest of the range into the cluster where it ends", () => {
  const lines = hostCommands(wish);
  assert.ok(lines.includes(`route add 10.42.64.0/18 via 10.42.0.11 dev ${layout.hostLink}`));
  assert.ok(lines.includes(`route add 10.42.0.0/16 via 10.42.0.1 dev ${layout.hostLink}`));
  assert.ok(switchCommands(wish).includes("route add unreachable 10.42.0.0/16"));
});

test("interface names fit the kernel's 15 characters and carry the cluster's id", () => {
  assert.ok(layout.hostLink.length <= 15);
  assert.notEqual(layoutOf("/a").hostLink, layoutOf("/b").hostLink);
});
