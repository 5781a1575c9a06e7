// A cluster that may reach out: its packets leave under the host's address, and the host is as before once it is gone.
// The host is played by a network namespace of its own, which has another one for its outside world.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import { findKubectls, KubectlRunner } from "../kubectl.ts";
import { TestCluster } from "../test-cluster.ts";
import { waitFor } from "../wait-for.ts";

const DEMO = "skiff.local/demo:1";
const OUTSIDE = "198.51.100.1";
const HOST = "198.51.100.2";
const prefix = `sktest${randomBytes(2).toString("hex")}`;
const host = `${prefix}-host`;
const world = `${prefix}-world`;

let cluster: TestCluster;

function inside(namespace: string, command: string, ...args: string[]): Promise<string> {
  return commandOutput("nsenter", [`--net=/run/netns/${namespace}`, command, ...args]);
}

before(async () => {
  const lines = [
    `netns add ${host}`,
    `netns add ${world}`,
    `link add eth0 netns ${host} type veth peer name eth0 netns ${world}`,
  ];
  await commandOutput("ip", ["-batch", "-"], { input: lines.join("\n") });
  const configure = async (namespace: string, address: string, more: readonly string[]) => {
    const input = ["link set lo up", `address add ${address}/24 dev eth0`, "link set eth0 up", ...more].join("\n");
    await commandOutput("ip", ["-n", namespace, "-batch", "-"], { input });
  };
  await configure(world, OUTSIDE, []);
  await configure(host, HOST, [`route add default via ${OUTSIDE}`]);
  // Docker's way: everything forwarded is dropped unless somebody asked for it.
  await inside(host, "iptables", "-P", "FORWARD", "DROP");
});

after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  for (const namespace of [host, world]) await runCommand("ip", ["netns", "delete", namespace]);
});

const firewall = async () =>
  (await inside(host, "iptables-save")).split("\n").filter((line) => /^-|^:FORWARD/.test(line));
const forwarding = () => inside(host, "cat", "/proc/sys/net/ipv4/ip_forward");

test("pods reach beyond the host under its address, and down undoes what that took", async () => {
  const before = { firewall: (await firewall()).map(withoutCounters), forwarding: await forwarding() };
  cluster = await TestCluster.create(1, { isolated: false, hostNamespace: host });
  await cluster.up();
  const newest = (await findKubectls()).at(-1);
  assert.ok(newest, "no kubectl can be had on this machine");
  const kubectl = new KubectlRunner(newest, cluster.kubeconfig, host);
  await kubectl.run("run", "probe", `--image=${DEMO}`);
  await kubectl.run("wait", "--for=condition=Ready", "pod/probe", "--timeout=30s");
  const answer = inside(world, "sh", "-c", "echo from outside | socat -d -d - TCP-LISTEN:8080 2>&1");
  await waitFor("the server outside", async () => (await inside(world, "cat", "/proc/net/tcp")).includes(":1F90"));
  assert.equal(await kubectl.run("exec", "probe", "--", "nc", "-w", "3", OUTSIDE, "8080"), "from outside\n");
  assert.match(await answer, new RegExp(`accepting connection from.*${HOST.replaceAll(".", "\\.")}`));
  await cluster.down();
  assert.deepEqual({ firewall: (await firewall()).map(withoutCounters), forwarding: await forwarding() }, before);
});

function withoutCounters(line: string): string {
  return line.replace(/ \[\d+:\d+\]$/, "");
}
