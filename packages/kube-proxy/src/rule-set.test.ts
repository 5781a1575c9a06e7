import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableRules } from "./rule-set.ts";
import { appliedAfter, parseSaved, planRestore } from "./rule-set.ts";

const isOurs = (chain: string) => chain.startsWith("KUBE-");
const wanted: TableRules = {
  chains: new Map([
    ["KUBE-SERVICES", ["-j KUBE-A"]],
    ["KUBE-A", ["-j ACCEPT"]],
  ]),
  jumps: [{ from: "OUTPUT", rule: "-j KUBE-SERVICES", position: "first" }],
};

test("planRestore writes everything into an empty table and nothing the second time", () => {
  const first = planRestore("nat", wanted, { chains: new Map(), jumps: new Set() });
  assert.equal(
    first,
    "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-A - [0:0]\n-I OUTPUT -j KUBE-SERVICES\n-A KUBE-SERVICES -j KUBE-A\n-A KUBE-A -j ACCEPT\nCOMMIT\n",
  );
  assert.equal(planRestore("nat", wanted, appliedAfter(wanted)), undefined);
});

test("planRestore names only the changed chain and deletes the stale one", () => {
  const applied = {
    chains: new Map([
      ["KUBE-SERVICES", ["-j KUBE-A"]],
      ["KUBE-A", ["-j DROP"]],
      ["KUBE-OLD", []],
    ]),
    jumps: new Set(["OUTPUT>KUBE-SERVICES"]),
  };
  assert.equal(
    planRestore("nat", wanted, applied),
    "*nat\n:KUBE-A - [0:0]\n:KUBE-OLD - [0:0]\n-A KUBE-A -j ACCEPT\n-X KUBE-OLD\nCOMMIT\n",
  );
});

test("parseSaved sees our chains and jumps only", () => {
  const saved = [
    "*nat",
    ":OUTPUT ACCEPT [1:2]",
    ":DOCKER - [0:0]",
    ":KUBE-SERVICES - [0:0]",
    '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    "-A OUTPUT -j DOCKER",
    "-A KUBE-SERVICES -j KUBE-A",
    "COMMIT",
  ].join("\n");
  const { chains, jumps } = parseSaved(saved, isOurs);
  assert.deepEqual([...chains.keys()], ["KUBE-SERVICES"]);
  assert.deepEqual([...jumps], ["OUTPUT>KUBE-SERVICES"]);
});
