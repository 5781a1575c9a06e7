// Against the real kernel, in a network namespace of its own: this file starts itself again inside one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandOutput } from "@skiff/component-base/command.ts";
import { applyRoutes, applyTunnels, linkMtu, prepareForwarding, vxlanMtu } from "./kernel-network.ts";
import { planRoutes, planVxlan } from "./plan-network.ts";

const IN_NAMESPACE = "--in-own-namespace";
const { signal } = new AbortController();
const own = { address: "10.9.0.1", podCidr: "10.244.0.0/24" };
const peer = { node: "b", address: "10.9.0.2", podCidr: "10.244.1.0/24" };

async function vxlanLink(): Promise<string> {
  return await commandOutput("ip", ["-d", "link", "show", "skiff.vxlan"]);
}

function registerKernelTests(): void {
  test("applyRoutes adds what the plan wants, removes what it no longer wants, and leaves other routes alone", async () => {
    await commandOutput("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]);
    await commandOutput("ip", ["-batch", "-"], {
      input: "address add 10.9.0.1/24 dev eth0\nlink set eth0 up\nlink set eth1 up\n",
    });
    await commandOutput("ip", ["route", "add", "198.51.100.0/24", "via", "10.9.0.9"]);
    await applyRoutes(planRoutes([peer, { ...peer, podCidr: "10.244.2.0/24" }]), signal);
    await applyRoutes(planRoutes([peer]), signal);
    const routes = await commandOutput("ip", ["route"]);
    assert.match(routes, /10.244.1.0\/24 via 10.9.0.2/);
    assert.doesNotMatch(routes, /10.244.2.0/);
    assert.match(routes, /198.51.100.0\/24/);
  });

  test("prepareForwarding can be repeated and adds its jump once", async () => {
    await prepareForwarding("10.244.0.0/16", signal);
    await prepareForwarding("10.244.0.0/16", signal);
    const rules = await commandOutput("iptables-save", ["-t", "nat"]);
    assert.equal(rules.match(/-A POSTROUTING .*-j SKIFF-POSTROUTING/g)?.length, 1);
    assert.equal(rules.match(/-A SKIFF-POSTROUTING /g)?.length, 1);
  });

  test("applyTunnels gives every peer a neighbour and a forwarding entry, and takes away those of peers that left", async () => {
    const mtu = vxlanMtu(await linkMtu(own.address, signal));
    await applyTunnels(planVxlan([peer]), own, mtu, signal);
    assert.match(
      await commandOutput("bridge", ["fdb", "show", "dev", "skiff.vxlan"]),
      /02:53:0a:09:00:02 dst 10.9.0.2/,
    );
    assert.match(
      await commandOutput("ip", ["neigh", "show", "dev", "skiff.vxlan"]),
      /10.244.1.0 lladdr 02:53:0a:09:00:02/,
    );
    assert.match(await vxlanLink(), /mtu 1450/);
    await applyTunnels(planVxlan([]), own, mtu, signal);
    assert.doesNotMatch(await commandOutput("bridge", ["fdb", "show", "dev", "skiff.vxlan"]), /dst 10.9.0.2/);
  });

  test("applyTunnels makes the device anew when the node's address changed", async () => {
    await commandOutput("ip", ["address", "add", "10.9.0.7/24", "dev", "eth0"]);
    await applyTunnels(planVxlan([peer]), { ...own, address: "10.9.0.7" }, 1450, signal);
    assert.match(await vxlanLink(), /local 10.9.0.7/);
  });
}

function runInNamespace(): void {
  const args = ["--net", process.execPath, "--test-reporter=spec", fileURLToPath(import.meta.url), IN_NAMESPACE];
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", env });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /pass 4/, stdout);
}

if (process.argv.includes(IN_NAMESPACE)) registerKernelTests();
else test("the kernel's network in a namespace of its own", runInNamespace);
