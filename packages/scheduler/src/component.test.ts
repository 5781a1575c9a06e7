// The scheduler over the real apiserver: bindings, events and conditions as users see them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition } from "@skiff/api/conditions.ts";
import { events, nodes, pods, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { SchedulerServer } from "./server.ts";

const deps = { clock: realClock, log: silentLogger() };
const { signal } = new AbortController();

test("the scheduler spreads pods over nodes, says what the others lack, and places them when room comes", async () => {
  await using etcd = await RealEtcd.start();
  await using apiserver = await RealApiServer.start(etcd);
  await using client = new RestClient(await loadKubeconfig(apiserver.kubeconfig), { userAgent: "test" }, deps);
  await client.of(serviceAccounts).create("default", { metadata: { name: "default" } }, { signal });
  for (const name of ["n1", "n2"]) await addNode(client, name);
  const stop = new AbortController();
  const scheduler = new SchedulerServer({ client, metrics: new MetricsRegistry(), ...deps });
  const running = Promise.all([scheduler.watch(stop.signal), scheduler.lead(stop.signal)]);

  for (let i = 0; i < 10; i++) await addPod(client, `web-${i}`);
  const spread = await waitFor("eight pods to be bound", async () => {
    const bound = (await listPods(client)).filter((pod) => pod.spec.nodeName);
    return bound.length === 8 && Map.groupBy(bound, (pod) => pod.spec.nodeName);
  });
  assert.deepEqual(
    [...spread.values()].map((group) => group.length),
    [4, 4],
  );
  const waiting = await waitFor("two pods to be told why not", async () => {
    const told = (await listPods(client)).filter((pod) => scheduledCondition(pod)?.status === "False");
    return told.length === 2 && told;
  });
  const message = "0/2 nodes are available: 2 Insufficient cpu.";
  for (const pod of waiting) {
    assert.equal(scheduledCondition(pod)?.message, message);
    assert.equal(scheduledCondition(pod)?.reason, "Unschedulable");
  }
  await waitFor("their events", async () => {
    const { items } = await client.of(events).list({ namespace: "default" }, { signal });
    const refused = items.filter((event) => event.reason === "FailedScheduling" && event.message === message);
    const assigned = items.filter((event) =>
      /^Successfully assigned default\/web-\d to n[12]$/.test(event.message ?? ""),
    );
    return refused.length === 2 && assigned.length === 8;
  });

  await addNode(client, "n3");
  await waitFor("all pods to be bound", async () => (await listPods(client)).every((pod) => pod.spec.nodeName));
  stop.abort();
  await running.catch((error: unknown) => assert.equal(error, stop.signal.reason));
});

function scheduledCondition(pod: Pod) {
  return findCondition(pod.status?.conditions, "PodScheduled");
}

async function listPods(client: RestClient): Promise<Pod[]> {
  return (await client.of(pods).list({ namespace: "default" }, { signal })).items;
}

/** A node with room for four pods. */
async function addNode(client: RestClient, name: string): Promise<void> {
  const amounts = { cpu: "400m", memory: "1Gi", pods: "110" };
  const status = { allocatable: amounts, capacity: amounts };
  await client.of(nodes).create("", { metadata: { name }, spec: {}, status }, { signal });
  // Admission taints new nodes until somebody says that they are ready.
  await client.of(nodes).patch("", name, "merge", { spec: { taints: null } }, { signal });
}

async function addPod(client: RestClient, name: string): Promise<void> {
  const containers = [{ name: "main", image: "web", resources: { requests: { cpu: "100m" } } }];
  await client.of(pods).create("default", { metadata: { name }, spec: { containers } }, { signal });
}
