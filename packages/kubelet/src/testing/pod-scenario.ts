// The life of pods on one real node, step by step; kubelet.component.test.ts runs it inside a network namespace.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isNotFound } from "@skiff/api/errors.ts";
import { configMaps, nodes, pods, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

const [netns = ""] = process.argv.slice(2);
const options = { signal: new AbortController().signal };

await using node = await NodeUnderTest.start(netns);
const client = node.client.of(pods);
const cri = node.containerd.client();
try {
  await prepare();
  await runsAPod();
  await restartsWhatDies();
  await adoptsAfterARestart();
  await endsWhatTheApiLost();
  await leavesNothingBehind();
} catch (error) {
  process.stderr.write(`${node.kubeletLog.slice(-8000)}\n`);
  throw error;
} finally {
  cri[Symbol.dispose]();
}

async function prepare(): Promise<void> {
  node.startKubelet();
  await waitFor("the node to be ready", async () => {
    const { status } = await node.client.of(nodes).get("", NODE_NAME, options);
    return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True");
  });
  // What a controller manager would have made.
  await node.client.of(serviceAccounts).create("default", { metadata: { name: "default" } }, options);
  await node.client.of(configMaps).create("default", named("kube-root-ca.crt", { "ca.crt": "x" }), options);
  await node.client.of(configMaps).create("default", named("cfg", { greeting: "hello" }), options);
}

function named(name: string, data: Record<string, string>) {
  return { metadata: { name }, data };
}

async function runsAPod(): Promise<void> {
  const script = 'echo "$GREETING from $NAME"; cat /data/init; sleep 1000';
  await create("web", {
    initContainers: [shell("init", "echo init > /data/init", { volumeMounts: [{ name: "data", mountPath: "/data" }] })],
    containers: [
      shell("c", script, {
        env: [
          { name: "GREETING", valueFrom: { configMapKeyRef: { name: "cfg", key: "greeting" } } },
          { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        ],
        readinessProbe: { exec: { command: ["cat", "/data/init"] }, periodSeconds: 1 },
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      }),
    ],
    volumes: [{ name: "data", emptyDir: {} }],
  });
  const pod = await isReady("web");
  assert.match(pod.status?.podIP ?? "", /^10\.231\.7\.\d+$/);
  assert.equal(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.reason, "Completed");
  const log = join(node.logDir, `default_web_${pod.metadata.uid}`, "c", "0.log");
  await waitFor("the log", async () => /stdout F hello from web\n.*stdout F init\n/s.test(await readFile(log, "utf8")));
}

async function restartsWhatDies(): Promise<void> {
  const id = containerId(await client.get("default", "web", options));
  await cri.stopContainer(id, 0);
  const pod = await waitFor("the restart", async () => {
    const found = await client.get("default", "web", options);
    return found.status?.containerStatuses?.[0]?.restartCount === 1 && found;
  });
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
  await isReady("web");
}

async function adoptsAfterARestart(): Promise<void> {
  const before = containerId(await isReady("web"));
  await node.stopKubelet("SIGKILL");
  await create("later", { containers: [shell("c", "sleep 1000")] });
  node.startKubelet();
  await isReady("later");
  const after = await client.get("default", "web", options);
  assert.equal(containerId(after), before, "a running container was replaced");
  assert.equal(after.status?.containerStatuses?.[0]?.restartCount, 1);
}

async function endsWhatTheApiLost(): Promise<void> {
  const stranger = await makeStranger();
  await node.stopKubelet("SIGKILL");
  await client.delete("default", "later", { gracePeriodSeconds: 0 }, options);
  node.startKubelet();
  await waitFor("the lost pod to end", async () => {
    const sandboxes = await cri.listPodSandboxes();
    return !sandboxes.some(({ metadata }) => metadata?.name === "later");
  });
  const left = (await cri.listPodSandboxes()).find(({ id }) => id === stranger);
  assert.equal(left?.state, "SANDBOX_READY", "a sandbox that the kubelet did not make was touched");
  await cri.stopPodSandbox(stranger);
  await cri.removePodSandbox(stranger);
}

async function makeStranger(): Promise<string> {
  const config = {
    metadata: { name: "stranger", uid: "stranger", namespace: "elsewhere", attempt: 0 },
    hostname: "stranger",
    logDirectory: "",
    portMappings: [],
    labels: {},
    annotations: {},
    linux: {
      cgroupParent: node.cgroupRoot,
      sysctls: {},
      securityContext: {
        namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" } as const,
        supplementalGroups: [],
        privileged: false,
      },
    },
  };
  return cri.runPodSandbox(config, "");
}

async function leavesNothingBehind(): Promise<void> {
  await client.delete("default", "web", {}, options);
  await waitFor("the pod to be gone", async () => {
    return client.get("default", "web", options).then(
      () => false,
      (error) => isNotFound(error),
    );
  });
  await waitFor("its sandbox to be gone", async () => (await cri.listPodSandboxes()).length === 0);
  assert.deepEqual(await readdir(join(node.rootDir, "pods")), []);
  await waitFor("its logs to be gone", async () => (await readdir(node.logDir)).length === 0);
  const mounts = await readFile("/proc/self/mounts", "utf8");
  assert.ok(!mounts.includes(node.rootDir), "a mount is left");
}

function shell(name: string, script: string, more: object = {}) {
  return { name, image: BUSYBOX_IMAGE, command: ["sh", "-c", script], ...more };
}

async function create(name: string, spec: Omit<NonNullable<Pod["spec"]>, "nodeName">): Promise<void> {
  const full = { nodeName: NODE_NAME, terminationGracePeriodSeconds: 1, ...spec };
  await client.create("default", { metadata: { name }, spec: full }, options);
}

function isReady(name: string): Promise<Pod> {
  return waitFor(`pod ${name} to be ready`, async () => {
    const pod = await client.get("default", name, options);
    const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
    return ready && pod;
  });
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
