// `up` and `down` themselves: what they say, what they keep, and that nothing is left behind.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import type { Layout } from "@skiff/cli/layout.ts";
import { pidsBelow } from "@skiff/cli/node/cgroups.ts";
import { findKubectls, KubectlRunner } from "../kubectl.ts";
import { machineTraces, newTraces } from "../leak-check.ts";
import { TestCluster } from "../test-cluster.ts";
import { waitFor } from "../wait-for.ts";

const DEMO = "skiff.local/demo:1";

async function kubectlFor(cluster: TestCluster): Promise<KubectlRunner> {
  const newest = (await findKubectls()).at(-1);
  assert.ok(newest, "no kubectl can be had on this machine");
  return new KubectlRunner(newest, cluster.kubeconfig);
}

test("up, deploy, up again, down, up, down --purge: nothing is lost and nothing is left", async () => {
  const cluster = await TestCluster.create(2);
  const before = await machineTraces(cluster.layout);
  try {
    const shown = await cluster.up();
    assert.match(shown, /node-1 +Ready +10\.|node-1 +Ready +172\./);
    assert.ok(shown.includes(`demo image: ${DEMO}`));
    assert.ok(shown.trimEnd().endsWith(`export KUBECONFIG=${cluster.kubeconfig}`));
    const kubectl = await kubectlFor(cluster);
    await kubectl.run("create", "deployment", "web", `--image=${DEMO}`, "--replicas=2");
    await kubectl.run("rollout", "status", "deployment/web", "--timeout=60s");
    assert.match(await cluster.up(), /already running; nothing was changed/);

    await cluster.down();
    assert.deepEqual(newTraces(before, await machineTraces(cluster.layout)), []);
    assert.ok(existsSync(cluster.layout.record), "the state is kept");

    await cluster.up();
    await kubectl.run("rollout", "status", "deployment/web", "--timeout=60s");
    await waitFor("the pods to run again", async () => {
      const table = await kubectl.run("get", "pods", "-l", "app=web", "--no-headers");
      const lines = table.trim().split("\n");
      return lines.length === 2 && lines.every((line) => line.includes("1/1") && line.includes("Running"));
    });
  } finally {
    await cluster.down("--purge");
  }
  assert.deepEqual(newTraces(before, await machineTraces(cluster.layout)), []);
  assert.ok(!existsSync(cluster.state));
});

test("up repairs what is left when everything died at once", async () => {
  const cluster = await TestCluster.create(2);
  const before = await machineTraces(cluster.layout);
  try {
    await cluster.up();
    const kubectl = await kubectlFor(cluster);
    await kubectl.run("create", "deployment", "web", `--image=${DEMO}`, "--replicas=2");
    await kubectl.run("rollout", "status", "deployment/web", "--timeout=60s");
    // Containers' processes too, as when the power fails; mounts, namespaces and pid files of the dead are still there.
    const killAll = () => [...pidsBelow(cluster.layout.cgroup)].map((pid) => kill(pid));
    await waitFor("all processes to be gone", () => killAll().length === 0);
    await cluster.up();
    await waitFor("the pods to run again", async () => {
      const table = await kubectl.run("get", "pods", "-l", "app=web", "--no-headers");
      return (
        table
          .trim()
          .split("\n")
          .filter((line) => /1\/1\s+Running/.test(line)).length === 2
      );
    });
  } finally {
    await cluster.down("--purge");
  }
  assert.deepEqual(newTraces(before, await machineTraces(cluster.layout)), []);
});

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone by now, with one that was killed before it.
  }
}

test("two clusters run side by side in ranges of their own", async () => {
  const layouts: Layout[] = [];
  {
    await using first = await TestCluster.start(1);
    await using second = await TestCluster.start(1);
    layouts.push(first.layout, second.layout);
    assert.notEqual(first.record.addresses.range, second.record.addresses.range);
    for (const cluster of [first, second]) {
      const table = await (await kubectlFor(cluster)).run("get", "nodes", "-o", "wide");
      assert.match(table, new RegExp(cluster.addressOf("node-1")));
    }
  }
  for (const layout of layouts) {
    const left = [...(await machineTraces(layout))].filter(
      (line) => !line.startsWith("host: ") || line.includes(layout.id),
    );
    assert.deepEqual(left, []);
  }
});

test("no packet of an isolated cluster finds a way out", async () => {
  await using cluster = await TestCluster.start(1);
  await assert.rejects(cluster.onNode("node-1", "ip", "route", "get", "192.0.2.77"), /unreachable/i);
  const kubectl = await kubectlFor(cluster);
  await kubectl.run("run", "probe", `--image=${DEMO}`, "--restart=Never", "--", "sleep", "1000");
  await kubectl.run("wait", "--for=condition=Ready", "pod/probe", "--timeout=30s");
  await assert.rejects(kubectl.run("exec", "probe", "--", "nc", "-w", "2", "192.0.2.77", "80"));
});

test("up names the port that is taken and who has it, and leaves nothing", async () => {
  const cluster = await TestCluster.create(1);
  const before = await machineTraces(cluster.layout);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(cluster.apiPort, "127.0.0.1", resolve));
  try {
    await assert.rejects(cluster.up(), new RegExp(`port ${cluster.apiPort} is in use by .*pid ${process.pid}`));
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await cluster.down("--purge");
  }
  assert.deepEqual(newTraces(before, await machineTraces(cluster.layout)), []);
});
