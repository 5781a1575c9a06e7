// Against the real kernel. The backend writes the rules of the namespace it runs in, so this file starts itself again
// inside a network namespace of its own, which vanishes with the process.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandOutput } from "@skiff/component-base/command.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ServicePort } from "../service-ports.ts";
import { IptablesBackend } from "./iptables.ts";

const IN_NAMESPACE = "--in-own-namespace";

function runInNamespace(): void {
  const args = ["--net", process.execPath, "--test-reporter=spec", fileURLToPath(import.meta.url), IN_NAMESPACE];
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", env });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /pass 4/, stdout);
}

const options = {
  clusterCidr: "10.244.0.0/16",
  masqueradeAll: false,
  masqueradeMark: "0x4000",
  localhostNodePorts: true,
};

function port(name: string, change: Partial<ServicePort> = {}): ServicePort {
  return {
    name,
    protocol: "tcp",
    clusterIp: "10.96.0.10",
    port: 80,
    nodePort: 30080,
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinitySeconds: 0,
    internalLocal: false,
    externalLocal: false,
    endpoints: [
      { ip: "10.244.0.2", port: 8080, isLocal: true },
      { ip: "10.244.1.2", port: 8080, isLocal: false },
    ],
    ...change,
  };
}

function registerKernelTests(): void {
  const { signal } = new AbortController();
  const backend = new IptablesBackend(options, { metrics: new MetricsRegistry() });
  const saved = () => commandOutput("iptables-save", ["-t", "nat"]);

  test("sync writes rules that the kernel takes, for every feature at once", async () => {
    await commandOutput("iptables", ["-t", "nat", "-A", "POSTROUTING", "-s", "192.0.2.1", "-j", "RETURN"]);
    const all = [
      port("default/plain"),
      port("default/sticky:http", { affinitySeconds: 600, clusterIp: "10.96.0.11", nodePort: 30081 }),
      port("default/local", { externalLocal: true, internalLocal: true, clusterIp: "10.96.0.12", nodePort: 30082 }),
      port("default/dns", { protocol: "udp", clusterIp: "10.96.0.13", nodePort: 0 }),
      port("default/none", { endpoints: [], clusterIp: "10.96.0.14", nodePort: 30083 }),
      port("default/lb", {
        loadBalancerIps: ["198.51.100.7"],
        sourceRanges: ["203.0.113.0/24"],
        clusterIp: "10.96.0.15",
      }),
    ];
    await backend.sync(all, true, signal);
    const rules = await saved();
    assert.match(rules, /-A KUBE-NODEPORTS .*--dport 30080 -j KUBE-EXT-/);
    assert.match(rules, /-A KUBE-SEP-\S+ .*-j DNAT --to-destination 10.244.1.2:8080/);
    assert.match(rules, /-A POSTROUTING -s 192.0.2.1\/32 -j RETURN/, "a rule of somebody else stays");
  });

  test("sync removes the chains of a Service that is gone", async () => {
    await backend.sync([port("default/plain")], false, signal);
    const rules = await saved();
    assert.doesNotMatch(rules, /default\/sticky/);
    assert.equal(rules.match(/^:KUBE-SVC-/gm)?.length, 1);
  });

  test("a restarted proxy takes over the rules it finds and adds no second jump", async () => {
    const restarted = new IptablesBackend(options, { metrics: new MetricsRegistry() });
    await restarted.sync([], true, signal);
    const rules = await saved();
    assert.doesNotMatch(rules, /KUBE-SVC-/);
    assert.equal(rules.match(/-A OUTPUT .*-j KUBE-SERVICES/g)?.length, 1);
  });

  test("wasFlushed notices that somebody removed our chains, and a full sync brings them back", async () => {
    assert.equal(await backend.wasFlushed(signal), false);
    await commandOutput("iptables", ["-t", "nat", "-F"]);
    await commandOutput("iptables", ["-t", "nat", "-X"]);
    assert.equal(await backend.wasFlushed(signal), true);
    await backend.sync([port("default/plain")], true, signal);
    assert.match(await saved(), /default\/plain/);
  });
}

if (process.argv.includes(IN_NAMESPACE)) registerKernelTests();
else test("iptables backend in a namespace of its own", runInNamespace);
