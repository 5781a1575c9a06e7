// Whatever is killed comes back by itself, and what was acknowledged is still there.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ConfigMap, Pod } from "@skiff/api/types.ts";
import { nodeLayoutOf } from "@skiff/cli/layout.ts";
import { endIdleShims, idleShims } from "@skiff/cli/supervisor/end-idle-shims.ts";
import { signalProcess } from "@skiff/cli/supervisor/process-identity.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { bindVolume } from "../csi/bind-volume.ts";
import { CsiDriver } from "../csi/csi-driver.ts";
import { findKubectls, KubectlRunner } from "../kubectl.ts";
import { killAndAwaitRestart, runningProcess } from "../run-records.ts";
import { TestCluster } from "../test-cluster.ts";
import { waitFor } from "../wait-for.ts";

const DEMO = "skiff.local/demo:1";

let cluster: TestCluster;
let kubectl: KubectlRunner;

before(async () => {
  const newest = (await findKubectls()).at(-1);
  assert.ok(newest, "no kubectl can be had on this machine");
  cluster = await TestCluster.start(2);
  kubectl = new KubectlRunner(newest, cluster.kubeconfig);
  await kubectl.run("create", "deployment", "web", `--image=${DEMO}`, "--replicas=2");
  await kubectl.run("rollout", "status", "deployment/web", "--timeout=60s");
});

after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

async function pods(): Promise<Pod[]> {
  return (await kubectl.json<{ items: Pod[] }>("get", "pods", "-l", "app=web")).items;
}

/** Name, container and restarts: what must not change for a container that was adopted. */
async function identities(): Promise<string[]> {
  return (await pods()).map((pod) => {
    const status = pod.status?.containerStatuses?.[0];
    return `${pod.metadata.name} ${status?.containerID} ${status?.restartCount}`;
  });
}

async function nodesReady(): Promise<boolean> {
  const table = await kubectl.run("get", "nodes", "--no-headers");
  return table
    .trim()
    .split("\n")
    .every((line) => /\sReady\s/.test(line));
}

/** A new pod runs on every node: the whole way from apiserver to runc works. */
async function assertWorks(name: string): Promise<void> {
  await waitFor("the nodes to be Ready", nodesReady, { timeoutMs: 60_000 });
  await waitFor(`deployment ${name} to be created`, () =>
    kubectl.run("create", "deployment", name, `--image=${DEMO}`, "--replicas=2"),
  );
  await kubectl.run("rollout", "status", `deployment/${name}`, "--timeout=60s");
  await kubectl.run("delete", "deployment", name);
}

test("a killed container is started again in its pod", async () => {
  const [pod] = await pods();
  assert.ok(pod?.spec.nodeName);
  const id = pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
  await cluster.ctr(pod.spec.nodeName, "tasks", "kill", "--signal", "SIGKILL", id);
  await waitFor("the container's restart", async () => {
    const now = (await pods()).find((other) => other.metadata.name === pod.metadata.name);
    const status = now?.status?.containerStatuses?.[0];
    return status?.restartCount === 1 && status.ready;
  });
});

test("a killed kubelet comes back and adopts the running containers", async () => {
  const before = await identities();
  await killAndAwaitRestart(cluster.state, "node-1/kubelet");
  await assertWorks("after-kubelet");
  assert.deepEqual(await identities(), before);
});

test("a CSI volume serves its pod through the kubelet's death, and is unmounted with the pod", async () => {
  const name = "heal.csi.example.org";
  const { kubeletRoot } = nodeLayoutOf(cluster.layout, "node-1");
  const storage = join(cluster.state, "csi-storage");
  await using driver = await CsiDriver.start({ name, kubeletRoot, storage, nodeId: "node-1" });
  await driver.register();
  const object = {
    apiVersion: "storage.k8s.io/v1",
    kind: "CSIDriver",
    metadata: { name },
    spec: { attachRequired: false },
  };
  await kubectl.runWith(JSON.stringify(object), "create", "-f", "-");
  await bindVolume(kubectl, name, "disk");
  const script =
    "echo one > /data/file; while [ ! -e /data/more ]; do sleep 0.1; done; echo two >> /data/file; sleep 1000";
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "keeper" },
    spec: {
      nodeName: "node-1",
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: "c", image: DEMO, command: ["sh", "-c", script], volumeMounts: [{ name: "v", mountPath: "/data" }] },
      ],
      volumes: [{ name: "v", persistentVolumeClaim: { claimName: "disk" } }],
    },
  };
  await kubectl.runWith(JSON.stringify(pod), "create", "-f", "-");
  await kubectl.run("wait", "pod/keeper", "--for=condition=Ready", "--timeout=60s");
  const summary = await kubectl.run("get", "--raw", "/api/v1/nodes/node-1/proxy/stats/summary");
  assert.match(summary, /"usedBytes":400,.*"pvcRef":\{"name":"disk","namespace":"default"\}/);
  const { node, pods } = JSON.parse(summary);
  const together = node.systemContainers.find(({ name }: { name: string }) => name === "pods");
  assert.ok(together.cpu.usageCoreNanoSeconds > 0 && together.memory.workingSetBytes > 0, summary);
  assert.ok(node.rlimit.curproc > 0 && node.memory.pageFaults > 0, summary);
  const keeper = pods.find(({ podRef }: { podRef: { name: string } }) => podRef.name === "keeper");
  assert.ok(keeper.process_stats.process_count >= 2, summary);
  await killAndAwaitRestart(cluster.state, "node-1/kubelet");
  const file = (path: string) => join(driver.folder("disk"), path);
  await writeFile(file("more"), "");
  await waitFor("the pod to write on", async () => (await readFile(file("file"), "utf8")) === "one\ntwo\n");
  await kubectl.run("delete", "pod", "keeper", "--timeout=60s");
  await waitFor("the volume to be unstaged", () => driver.requests("NodeUnstageVolume", "disk").length > 0);
  await waitFor("all mounts to be gone", async () => {
    const mounts = await readFile("/proc/self/mountinfo", "utf8");
    return !mounts.split("\n").some((line) => line.includes(kubeletRoot) && line.includes("csi"));
  });
  assert.equal(await readFile(file("file"), "utf8"), "one\ntwo\n", "the volume's data was removed");
});

test("a killed containerd comes back, and its containers never noticed", async () => {
  const before = await identities();
  await killAndAwaitRestart(cluster.state, "node-1/containerd");
  await assertWorks("after-containerd");
  assert.deepEqual(await identities(), before);
});

test("idle shims that containerd has lost are ended, and no others", async () => {
  const { containerdSocket: socket } = nodeLayoutOf(cluster.layout, "node-1");
  const known = join(cluster.state, "known-bundle");
  await startIdleShim("lost", join(cluster.state, "lost-bundle"), socket);
  await startIdleShim("known", known, socket);
  await cluster.ctr("node-1", "containers", "create", "--rootfs", known, "known", "true");
  const before = await identities();
  const idle = () => idleShims(socket).map(({ id }) => id);
  assert.deepEqual(idle().toSorted(), ["known", "lost"]);
  const stop = new AbortController();
  const ending = endIdleShims(socket, { clock: realClock, log: silentLogger() }, stop.signal, 100);
  try {
    await waitFor("the lost shim to be ended", () => !idle().includes("lost"));
    assert.deepEqual(idle(), ["known"]);
    await cluster.ctr("node-1", "containers", "delete", "known");
    await ending;
    await waitFor("the other to be ended, too", () => idle().length === 0);
  } finally {
    stop.abort();
    await ending.catch(() => {});
  }
  assert.deepEqual(await identities(), before);
});

/** As containerd starts one before it has anything to run in it. */
async function startIdleShim(id: string, bundle: string, socket: string): Promise<void> {
  await mkdir(bundle);
  await writeFile(join(bundle, "config.json"), '{"ociVersion":"1.0.2"}');
  const words = `containerd-shim-runc-v2 -namespace k8s.io -id ${id} -address ${socket} start`;
  // It logs into the pipe, which somebody must be reading when it starts.
  await commandOutput("sh", ["-c", `cd ${bundle}; mkfifo log; exec 3<>log; TTRPC_ADDRESS=${socket}.ttrpc ${words}`]);
  await waitFor("the shim to run", () => idleShims(socket).some((shim) => shim.id === id));
}

test("a killed apiserver comes back, and everybody finds it again", async () => {
  const before = await identities();
  await killAndAwaitRestart(cluster.state, "kube-apiserver");
  await waitFor("the apiserver", () => kubectl.run("get", "--raw", "/readyz"));
  await assertWorks("after-apiserver");
  assert.deepEqual(await identities(), before);
});

test("a killed scheduler and a killed controller-manager come back and lead again", async () => {
  await killAndAwaitRestart(cluster.state, "kube-scheduler");
  await killAndAwaitRestart(cluster.state, "kube-controller-manager");
  await assertWorks("after-managers");
});

test("every write that was acknowledged survives the death of etcd", async () => {
  const written: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    await kubectl.run("create", "configmap", `kept-${index}`, `--from-literal=n=${index}`);
    written.push(`kept-${index}`);
  }
  await killAndAwaitRestart(cluster.state, "etcd");
  const { items } = await waitFor("the apiserver to read etcd again", () =>
    kubectl.json<{ items: ConfigMap[] }>("get", "configmaps"),
  );
  const names = new Set(items.map((item) => item.metadata.name));
  assert.deepEqual(
    written.filter((name) => !names.has(name)),
    [],
  );
  await assertWorks("after-etcd");
});

test("killed kube-proxies and node-networks come back, and Services still answer", async () => {
  await kubectl.run("expose", "deployment", "web", "--port=80");
  for (const node of cluster.nodeNames) {
    await killAndAwaitRestart(cluster.state, `${node}/kube-proxy`);
    await killAndAwaitRestart(cluster.state, `${node}/node-network`);
  }
  const { spec } = await kubectl.json<{ spec: { clusterIP: string } }>("get", "service", "web");
  const ask = () => cluster.onNode("node-1", "curl", "-sS", "--max-time", "3", `http://${spec.clusterIP}/`);
  assert.match(await waitFor("the Service", ask), /^Hello from web-/);
});

test("the programs outlive the supervisor, and the next up adopts them", async () => {
  const before = runningProcess(cluster.state, "kube-apiserver").process.pid;
  const supervisor = runningProcess(cluster.state, "supervisor").process;
  signalProcess(supervisor, "SIGKILL");
  assert.ok(await nodesReady());
  const shown = await cluster.up();
  assert.match(shown, /adopting/);
  assert.equal(runningProcess(cluster.state, "kube-apiserver").process.pid, before);
  await killAndAwaitRestart(cluster.state, "kube-scheduler");
});
