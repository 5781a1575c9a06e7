// Which rules the host's firewall needs for a cluster's traffic to pass.
import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardRules } from "./host-access.ts";

const layout = { hostLink: "skiff-abcdef" };

test("forwardRules adds nothing where everything is forwarded already", () => {
  assert.deepEqual(forwardRules(layout, "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"), []);
});

test("forwardRules lets both directions of the link pass a policy of DROP", () => {
  const rules = forwardRules(layout, "-P FORWARD DROP\n");
  assert.deepEqual(
    rules.map((rule) => [rule.chain, ...rule.spec.slice(0, 2)]),
    [
      ["FORWARD", "-i", "skiff-abcdef"],
      ["FORWARD", "-o", "skiff-abcdef"],
    ],
  );
});

test("forwardRules uses the chain that Docker keeps for others", () => {
  const rules = forwardRules(layout, "-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n");
  assert.ok(rules.every((rule) => rule.chain === "DOCKER-USER" && rule.at === "first"));
});
