// The whole program against a real apiserver and etcd, under the identity and the rights that it has in a cluster.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isNotFound } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import * as refs from "@skiff/api/resource-ref.ts";
import type { Deployment, Node, Pod } from "@skiff/api/types.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { formatTime, realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { ChildProgram } from "@skiff/testkit/child-program.ts";
import { clientCertificate, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const signal = new AbortController().signal;
const stack = new AsyncDisposableStack();
let client: RestClient;
let manager: ChildProgram;
let start: (...flags: string[]) => ChildProgram;

before(async () => {
  const etcd = stack.use(await RealEtcd.start());
  const server = stack.use(await RealApiServer.start(etcd));
  const admin = await loadKubeconfig(server.kubeconfig);
  client = stack.use(new RestClient(admin, { userAgent: "test" }, { clock: realClock, log: silentLogger() }));
  const kubeconfig = await managerKubeconfig(server);
  const quick = ["--node-monitor-grace-period=3s", "--node-monitor-period=200ms", "--leader-elect-lease-duration=4s"];
  const pace = ["--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=300ms"];
  const ports = ["--port=0", "--secure-port=0", "--allocate-node-cidrs", "--cluster-cidr=10.99.0.0/16"];
  start = (...flags) =>
    new ChildProgram(process.execPath, [MAIN, `--kubeconfig=${kubeconfig}`, ...quick, ...pace, ...ports, ...flags]);
  manager = start();
  stack.defer(() => manager.stop("SIGKILL"));
});

after(() => stack.disposeAsync());

async function managerKubeconfig(server: RealApiServer): Promise<string> {
  const { cert, key } = await clientCertificate(server.pki, "system:kube-controller-manager");
  const config = JSON.parse(JSON.stringify(await loadKubeconfig(server.kubeconfig))) as { server: string; ca: string };
  const encode = (text: string) => Buffer.from(text).toString("base64");
  const path = join(server.pki.folder, "kubeconfig-manager");
  const cluster = { server: config.server, "certificate-authority-data": encode(config.ca) };
  const user = { "client-certificate-data": encode(cert), "client-key-data": encode(key) };
  const context = { cluster: "test", user: "manager" };
  const document = {
    clusters: [{ name: "test", cluster }],
    users: [{ name: "manager", user }],
    contexts: [{ name: "test", context }],
    "current-context": "test",
  };
  writeFileSync(path, JSON.stringify(document), { mode: 0o600 });
  return path;
}

async function exists<T extends KubeObject>(of: ResourceClient<T>, namespace: string, name: string): Promise<boolean> {
  try {
    await of.get(namespace, name, { signal });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

const podsOf = async (app: string) =>
  (await client.of(refs.pods).list({ namespace: "default", labelSelector: `app=${app}` }, { signal })).items;

/** Plays scheduler and kubelet for all pods of an app that nobody runs yet. */
async function runPods(app: string, node: string): Promise<void> {
  for (const [index, { metadata, spec, status }] of (await podsOf(app)).entries()) {
    if (status?.podIP || metadata.deletionTimestamp) continue;
    const { name } = metadata;
    const target = { apiVersion: "v1", kind: "Node", name: node };
    const binding = { apiVersion: "v1", kind: "Binding", metadata: { name }, target };
    if (!spec?.nodeName) await client.of(refs.pods).createSubresource("default", name, "binding", binding, { signal });
    const podIP = `10.99.0.${index + 10}`;
    const ready = { type: "Ready", status: "True", lastTransitionTime: formatTime(realClock.now()) };
    const body = { status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions: [ready] } };
    await client.of(refs.pods).patch("default", name, "strategic", body, { signal, subresource: "status" });
  }
}

/** Ends deleted pods as a kubelet would. */
async function endDeletedPods(): Promise<void> {
  const { items } = await client.of(refs.pods).list({}, { signal });
  for (const { metadata } of items.filter((pod: Pod) => pod.metadata.deletionTimestamp)) {
    const query = { gracePeriodSeconds: 0, uid: metadata.uid };
    await client.of(refs.pods).delete(metadata.namespace ?? "", metadata.name, query, { signal });
  }
}

function deploymentOf(app: string, replicas: number, image = "img:1") {
  const labels = { app };
  return {
    metadata: { name: app, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "c", image }] } },
    },
  };
}

async function addNode(name: string): Promise<void> {
  await client.of(refs.nodes).create("", { metadata: { name }, spec: {} }, { signal });
  const ready = {
    type: "Ready",
    status: "True",
    reason: "KubeletReady",
    lastHeartbeatTime: formatTime(realClock.now()),
  };
  await client
    .of(refs.nodes)
    .patch("", name, "strategic", { status: { conditions: [ready] } }, { signal, subresource: "status" });
}

const nodeWhere = (name: string, what: string, holds: (node: Node) => boolean) =>
  waitFor(`node ${name}: ${what}`, async () => {
    const node = await client.of(refs.nodes).get("", name, { signal });
    return holds(node) && node;
  });

const deploymentWhere = (name: string, what: string, holds: (deployment: Deployment) => boolean) =>
  waitFor(`deployment ${name}: ${what}`, async () => {
    const deployment = await client.of(refs.deployments).get("default", name, { signal });
    return holds(deployment) && deployment;
  });

test("kube-controller-manager gives every namespace its account and the root CA", async () => {
  await waitFor("account and CA", async () => {
    const account = await exists(client.of(refs.serviceAccounts), "default", "default");
    return account && (await exists(client.of(refs.configMaps), "default", "kube-root-ca.crt"));
  });
  const published = await client.of(refs.configMaps).get("default", "kube-root-ca.crt", { signal });
  assert.match(published.data?.["ca.crt"] ?? "", /BEGIN CERTIFICATE/);
});

test("kube-controller-manager rolls a deployment out, over and away, and a Service follows its pods", async () => {
  await addNode("worker");
  await nodeWhere("worker", "pod subnet", (node) => node.spec?.podCIDR === "10.99.0.0/24");
  const service = {
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  };
  await client.of(refs.services).create("default", service, { signal });
  await client.of(refs.deployments).create("default", deploymentOf("web", 3), { signal });
  await waitFor("three pods", async () => (await podsOf("web")).length === 3);
  await runPods("web", "worker");
  const first = await deploymentWhere("web", "available", ({ status }) => status?.availableReplicas === 3);
  assert.equal(first.metadata.annotations?.["deployment.kubernetes.io/revision"], "1");
  const slice = await waitFor("endpoints", async () => {
    const { items } = await client
      .of(refs.endpointSlices)
      .list({ namespace: "default", labelSelector: "kubernetes.io/service-name=web" }, { signal });
    return items.find((item) => item.endpoints?.filter(({ conditions }) => conditions?.ready).length === 3);
  });
  assert.ok(slice.endpoints?.every(({ nodeName }) => nodeName === "worker"));
  const image = [{ op: "replace", path: "/spec/template/spec/containers/0/image", value: "img:2" }];
  await client.of(refs.deployments).patch("default", "web", "json", image, { signal });
  await waitFor("the rollout", async () => {
    await runPods("web", "worker");
    await endDeletedPods();
    const { status, metadata } = await client.of(refs.deployments).get("default", "web", { signal });
    const isNew = status?.observedGeneration === metadata.generation && status?.updatedReplicas === 3;
    return isNew && status?.availableReplicas === 3 && status.replicas === 3;
  });
  const query = { propagationPolicy: "Foreground" } as const;
  await client.of(refs.deployments).delete("default", "web", query, { signal });
  await waitFor("everything to be collected", async () => {
    await endDeletedPods();
    const sets = await client.of(refs.replicaSets).list({ namespace: "default" }, { signal });
    const isGone = !(await exists(client.of(refs.deployments), "default", "web"));
    return isGone && sets.items.length === 0 && (await podsOf("web")).length === 0;
  });
});

test("kube-controller-manager keeps a ReplicationController's pods, adopts its orphans and counts them", async () => {
  const labels = { app: "rc" };
  const spec = { containers: [{ name: "c", image: "img:1" }] };
  await client.of(refs.pods).create("default", { metadata: { name: "orphan", labels }, spec }, { signal });
  const body = { metadata: { name: "rc", labels }, spec: { replicas: 2, template: { metadata: { labels }, spec } } };
  const { metadata } = await client.of(refs.replicationControllers).create("default", body, { signal });
  const where = (what: string, replicas: number) =>
    waitFor(`replication controller: ${what}`, async () => {
      const { status } = await client.of(refs.replicationControllers).get("default", "rc", { signal });
      return status?.replicas === replicas && (status.fullyLabeledReplicas ?? 0) === replicas && status;
    });
  await where("two pods", 2);
  const pods = await podsOf("rc");
  assert.ok(pods.some(({ metadata: { name } }) => name === "orphan"));
  const owners = pods.map(({ metadata: { ownerReferences = [] } }) =>
    ownerReferences.map(({ kind, uid }) => [kind, uid]),
  );
  assert.deepEqual(owners, [[["ReplicationController", metadata.uid]], [["ReplicationController", metadata.uid]]]);
  await client.of(refs.replicationControllers).patch("default", "rc", "merge", { spec: { replicas: 0 } }, { signal });
  await where("none", 0);
  await endDeletedPods();
});

test("kube-controller-manager replaces a slice that somebody else took over", async () => {
  const service = {
    metadata: { name: "taken", namespace: "default" },
    spec: { selector: { app: "none" }, ports: [{ port: 80 }] },
  };
  await client.of(refs.services).create("default", service, { signal });
  const ours =
    "kubernetes.io/service-name=taken,endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io";
  const sliceOfOurs = () =>
    waitFor("a slice of ours", async () => {
      const query = { namespace: "default", labelSelector: ours };
      return (await client.of(refs.endpointSlices).list(query, { signal })).items[0];
    });
  const { name, uid } = (await sliceOfOurs()).metadata;
  const body = { metadata: { labels: { "endpointslice.kubernetes.io/managed-by": "somebody" } } };
  await client.of(refs.endpointSlices).patch("default", name, "merge", body, { signal });
  assert.notEqual((await sliceOfOurs()).metadata.uid, uid);
});

test("kube-controller-manager lets a budget's pods be evicted one at a time", async () => {
  await client.of(refs.deployments).create("default", deploymentOf("guarded", 2), { signal });
  const selector = { matchLabels: { app: "guarded" } };
  const budget = { metadata: { name: "guard", namespace: "default" }, spec: { maxUnavailable: 1, selector } };
  await client.of(refs.podDisruptionBudgets).create("default", budget, { signal });
  await waitFor("two pods", async () => (await podsOf("guarded")).length === 2);
  await runPods("guarded", "worker");
  const budgetWhere = (allowed: number, healthy: number) =>
    waitFor(`a budget of ${allowed}`, async () => {
      const { status } = await client.of(refs.podDisruptionBudgets).get("default", "guard", { signal });
      return status?.disruptionsAllowed === allowed && status.currentHealthy === healthy && status;
    });
  assert.equal((await budgetWhere(1, 2)).expectedPods, 2);
  const [first, second] = await podsOf("guarded");
  const evict = (name = "") => {
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" } };
    return client.of(refs.pods).createSubresource("default", name, "eviction", eviction, { signal });
  };
  await evict(first?.metadata.name);
  await assert.rejects(evict(second?.metadata.name), { code: 429 });
  await budgetWhere(0, 1);
  // Its successor gives the budget back.
  await endDeletedPods();
  await waitFor("a successor", async () => (await podsOf("guarded")).length === 2);
  await runPods("guarded", "worker");
  await budgetWhere(1, 2);
  await evict(second?.metadata.name);
});

test("kube-controller-manager empties a deleted namespace, pods before the rest", async () => {
  await client.of(refs.namespaces).create("", { metadata: { name: "doomed" }, spec: {} }, { signal });
  const held = {
    metadata: { name: "held", finalizers: ["example.com/hold"] },
    spec: { containers: [{ name: "c", image: "i" }] },
  };
  await waitFor("the account", () => exists(client.of(refs.serviceAccounts), "doomed", "default"));
  await client.of(refs.pods).create("doomed", held, { signal });
  await client.of(refs.configMaps).create("doomed", { metadata: { name: "kept-for-the-pod" } }, { signal });
  await client.of(refs.namespaces).delete("", "doomed", {}, { signal });
  const waiting = await waitFor("conditions", async () => {
    const { status } = await client.of(refs.namespaces).get("", "doomed", { signal });
    return status?.conditions?.find(({ type, status: is }) => type === "NamespaceFinalizersRemaining" && is === "True");
  });
  assert.match(waiting.message ?? "", /example\.com\/hold in 1 resource instances/);
  assert.ok(await exists(client.of(refs.configMaps), "doomed", "kept-for-the-pod"));
  await client.of(refs.pods).patch("doomed", "held", "merge", { metadata: { finalizers: null } }, { signal });
  await waitFor(
    "the namespace to go",
    async () =>
      !(await exists(client.of(refs.namespaces), "doomed", "doomed")) &&
      !(await exists(client.of(refs.namespaces), "", "doomed")),
  );
});

test("kube-controller-manager holds a ServiceCIDR while a Service needs its addresses", async () => {
  const cidrs = client.of(refs.serviceCidrs);
  await cidrs.create("", { metadata: { name: "more" }, spec: { cidrs: ["10.200.0.0/24"] } }, { signal });
  const condition = async () => (await cidrs.get("", "more", { signal })).status?.conditions?.[0];
  await waitFor("the range to be ready", async () => (await condition())?.status === "True");
  assert.deepEqual((await cidrs.get("", "more", { signal })).metadata.finalizers, [
    "networking.k8s.io/service-cidr-finalizer",
  ]);
  const spec = { clusterIP: "10.200.0.9", ports: [{ port: 80 }] };
  await client
    .of(refs.services)
    .create("default", { metadata: { name: "needs", namespace: "default" }, spec }, { signal });
  await cidrs.delete("", "more", {}, { signal });
  await waitFor("the reason", async () => (await condition())?.reason === "Terminating");
  await client.of(refs.services).delete("default", "needs", {}, { signal });
  await waitFor("the range to go", async () => !(await exists(cidrs, "", "more")));
});

test("kube-controller-manager taints a silent node and evicts its pods, while another node is healthy", async () => {
  await addNode("silent");
  await client.of(refs.deployments).create("default", deploymentOf("moving", 1), { signal });
  await waitFor("a pod", async () => (await podsOf("moving")).length === 1);
  await runPods("moving", "silent");
  const beat = async () => {
    const lease = {
      metadata: { name: "worker", namespace: "kube-node-lease" },
      spec: { renewTime: new Date().toISOString().replace("Z", "000Z") },
    };
    const leases = client.of(refs.leases);
    if (!(await exists(leases, "kube-node-lease", "worker"))) await leases.create("kube-node-lease", lease, { signal });
    else await leases.patch("kube-node-lease", "worker", "merge", { spec: lease.spec }, { signal });
  };
  const ready = {
    type: "Ready",
    status: "True",
    reason: "KubeletReady",
    lastHeartbeatTime: formatTime(realClock.now()),
  };
  await client
    .of(refs.nodes)
    .patch("", "worker", "strategic", { status: { conditions: [ready] } }, { signal, subresource: "status" });
  const node = await waitFor("the taint", async () => {
    await beat();
    const silent = await client.of(refs.nodes).get("", "silent", { signal });
    return silent.spec?.taints?.some(({ effect }) => effect === "NoExecute") && silent;
  });
  const condition = node.status?.conditions?.find(({ type }) => type === "Ready");
  assert.deepEqual([condition?.status, condition?.message], ["Unknown", "Kubelet stopped posting node status."]);
  await waitFor("the pod to be not ready", async () => {
    const [pod] = await podsOf("moving");
    return pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "False");
  });
});

test("kube-controller-manager hands over to a second one at once when it stops, and after the lease when it is killed", async () => {
  const second = start("--use-service-account-credentials");
  await using _second = second;
  await manager.stop("SIGTERM");
  await client.of(refs.deployments).create("default", deploymentOf("after-stop", 2), { signal });
  await waitFor("the second to act", async () => (await podsOf("after-stop")).length === 2);
  manager = start();
  await second.stop("SIGKILL");
  await client.of(refs.deployments).create("default", deploymentOf("after-kill", 2), { signal });
  await waitFor("the third to act", async () => (await podsOf("after-kill")).length === 2);
});
