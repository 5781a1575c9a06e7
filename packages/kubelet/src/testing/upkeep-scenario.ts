// Static pods, log rotation, evictions and refusals on one real node; upkeep.component.test.ts runs it in a namespace.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { isNotFound } from "@skiff/api/errors.ts";
import { nodes, persistentVolumeClaims, persistentVolumes, pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { freePorts } from "@skiff/testkit/free-port.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { LABEL } from "../runtime/labels.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

const options = { signal: new AbortController().signal };
const STATIC = `web-${NODE_NAME}`;

/** Rejects at the first step that goes wrong, with the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  const scenario = new Scenario(node);
  try {
    await scenario.run();
  } catch (error) {
    throw await node.explain(error);
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly pods: ResourceClient<Pod>;
  private readonly manifests: string;
  private readonly config: string;
  private readOnlyPort = 0;
  private cadvisorPort = 0;

  constructor(node: NodeUnderTest) {
    this.node = node;
    this.pods = node.client.of(pods);
    this.manifests = join(node.containerd.dir, "manifests");
    this.config = join(node.containerd.dir, "kubelet.yaml");
  }

  async run(): Promise<void> {
    await using served = await serveManifest("from-url", [shell("sleep 1000")]);
    const running = await this.startsAStaticPodBeforeItIsKnown();
    await this.prepare(served.url);
    const first = await this.mirrorsAStaticPod();
    assert.equal(containerId(first), running, "the pod that ran before was not adopted");
    await this.runsAPodFromAUrl(served);
    await this.answersOnPlainPorts();
    await this.bringsADeletedMirrorBack(first);
    await this.replacesAChangedStaticPod(first);
    await this.rotatesAndLinksLogs();
    await this.evictsWhatExceedsItsEmptyDir();
    await this.refusesForbiddenSysctls();
    await this.displacesAPodForACriticalOne();
    await this.endsARemovedStaticPod();
    await this.mountsALocalVolume();
    await this.evictsUnderPressure();
  }

  /** As the first node of a cluster: the API that would sign the kubelet's certificate is itself such a pod. */
  private async startsAStaticPodBeforeItIsKnown(): Promise<string> {
    await mkdir(this.manifests);
    await this.writeManifest("sleep 1000");
    const { dir } = this.node.containerd;
    const nowhere = {
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "u", user: { token: "abcdef.0123456789abcdef" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    await writeFile(join(dir, "bootstrap.conf"), JSON.stringify(nowhere));
    this.node.startKubelet(
      `--bootstrap-kubeconfig=${join(dir, "bootstrap.conf")}`,
      `--kubeconfig=${join(dir, "none.conf")}`,
      `--cert-dir=${join(dir, "none-pki")}`,
      "--rotate-certificates",
      `--pod-manifest-path=${this.manifests}`,
    );
    using cri = this.node.containerd.client();
    const running = await waitFor("the static pod to run without any API", async () => {
      const found = await cri.listContainers({ [LABEL.podName]: STATIC });
      return found.find(({ state }) => state === "CONTAINER_RUNNING");
    });
    await this.node.stopKubelet("SIGTERM");
    return running.id;
  }

  private async prepare(manifestUrl: string): Promise<void> {
    [this.readOnlyPort = 0, this.cadvisorPort = 0] = await freePorts(2);
    await writeFile(
      this.config,
      `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: ${this.manifests}
staticPodURL: ${manifestUrl}
staticPodURLHeader: {X-Manifest: [wanted]}
httpCheckFrequency: 1s
readOnlyPort: ${this.readOnlyPort}
containerLogMaxSize: 2Ki
containerLogMaxFiles: 3
containerLogMonitorInterval: 3s
systemReserved: {cpu: 100m}
maxPods: 7
`,
    );
    this.node.startKubelet(`--config=${this.config}`, `--cadvisor-port=${this.cadvisorPort}`);
    const node = await this.node.isReady();
    const { capacity = {}, allocatable = {} } = node.status ?? {};
    assert.equal(allocatable.cpu, `${Number(capacity.cpu) * 1000 - 100}m`);
    assert.equal(allocatable.pods, "7");
    await this.node.furnish();
  }

  private async writeManifest(script: string): Promise<void> {
    const container = { name: "c", image: BUSYBOX_IMAGE, command: ["sh", "-c", script] };
    const spec = { terminationGracePeriodSeconds: 1, containers: [container] };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "web" }, spec };
    await writeFile(join(this.manifests, "web.json"), JSON.stringify(pod));
  }

  private async mirrorsAStaticPod(): Promise<Pod> {
    const mirror = await this.node.podIsReady(STATIC);
    const { annotations = {}, ownerReferences } = mirror.metadata;
    assert.equal(annotations["kubernetes.io/config.mirror"], annotations["kubernetes.io/config.hash"]);
    assert.deepEqual(
      ownerReferences?.map(({ kind, name }) => [kind, name]),
      [["Node", NODE_NAME]],
    );
    return mirror;
  }

  private async runsAPodFromAUrl(served: ServedManifest): Promise<void> {
    const name = `from-url-${NODE_NAME}`;
    const { metadata } = await this.node.podIsReady(name);
    assert.equal(metadata.annotations?.["kubernetes.io/config.source"], "http");
    served.empty();
    await waitFor("the pod from the URL to be gone", () =>
      this.pods.get("default", name, options).then(() => false, isNotFound),
    );
  }

  private async answersOnPlainPorts(): Promise<void> {
    const ask = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    const { items } = JSON.parse(await ask(this.readOnlyPort, "/pods")) as { items: Pod[] };
    assert.ok(items.some(({ metadata }) => metadata.name === STATIC));
    assert.match(await ask(this.cadvisorPort, "/metrics"), new RegExp(`^container_processes\\{.*pod="${STATIC}"`, "m"));
    const act = await fetch(`http://127.0.0.1:${this.readOnlyPort}/run/default/${STATIC}/c?cmd=id`, { method: "POST" });
    assert.equal(act.status, 404);
  }

  private async bringsADeletedMirrorBack(first: Pod): Promise<void> {
    await this.pods.delete("default", STATIC, {}, options);
    const again = await waitFor("a new mirror", async () => {
      const found = await this.node.podIsReady(STATIC);
      return found.metadata.uid !== first.metadata.uid && found;
    });
    assert.equal(containerId(again), containerId(first), "deleting the mirror restarted the pod");
  }

  private async replacesAChangedStaticPod(first: Pod): Promise<void> {
    await this.writeManifest("sleep 2000");
    await waitFor(
      "the changed pod",
      async () => containerId(await this.node.podIsReady(STATIC)) !== containerId(first),
    );
  }

  private async rotatesAndLinksLogs(): Promise<void> {
    const script =
      "i=0; while [ $i -lt 100 ]; do echo a line of the log $i; i=$((i+1)); done; sleep 1; echo end; sleep 1000";
    await this.node.createPod("chatty", { containers: [shell(script)] });
    const pod = await this.node.podIsReady("chatty");
    const dir = join(this.node.logDir, `default_chatty_${pod.metadata.uid}`, "c");
    await waitFor("the rotation", async () => (await readdir(dir)).some((name) => /^0\.log\.\d{8}-\d{6}$/.test(name)));
    const links = join(this.node.containerd.dir, "containers");
    const link = join(links, `chatty_default_c-${containerId(pod)}.log`);
    assert.equal(await readlink(link), join(dir, "0.log"));
    // The runtime writes on into a file of the old name, which is not there for a moment.
    const isThere = async () => (await stat(link).catch(() => undefined)) !== undefined;
    await waitFor("the new file", isThere);
    await this.pods.delete("default", "chatty", { gracePeriodSeconds: 0 }, options);
    await waitFor("the link to be gone", async () => !(await readdir(links)).some((name) => name.startsWith("chatty")));
  }

  private async evictsWhatExceedsItsEmptyDir(): Promise<void> {
    const mounts = { volumeMounts: [{ name: "data", mountPath: "/data" }] };
    await this.node.createPod("greedy", {
      containers: [shell("cat /bin/busybox /bin/busybox > /data/file; sleep 1000", mounts)],
      volumes: [{ name: "data", emptyDir: { sizeLimit: "1Mi" } }],
    });
    const { status } = await waitFor("the eviction", async () => {
      const found = await this.pods.get("default", "greedy", options);
      return found.status?.phase === "Failed" && found;
    });
    assert.equal(status?.reason, "Evicted");
    assert.equal(status?.message, 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ');
    const target = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.deepEqual([target?.status, target?.reason], ["True", "TerminationByKubelet"]);
    assert.equal(status?.containerStatuses?.[0]?.state?.running, undefined);
  }

  private async refusesForbiddenSysctls(): Promise<void> {
    const securityContext = { sysctls: [{ name: "kernel.msgmax", value: "1" }] };
    await this.node.createPod("meddler", { containers: [shell("sleep 1")], securityContext });
    const { status } = await waitFor("the refusal", async () => {
      const found = await this.pods.get("default", "meddler", options);
      return found.status?.phase === "Failed" && found;
    });
    assert.equal(status?.reason, "SysctlForbidden");
    assert.equal(status?.containerStatuses, undefined, "a container of a pod that was turned away has no exit code");
    assert.equal(status?.message, 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted');
  }

  private async displacesAPodForACriticalOne(): Promise<void> {
    const node = await this.node.client.of(nodes).get("", NODE_NAME, options);
    // One of them fits, two do not.
    const resources = {
      requests: { cpu: `${Math.ceil(Number.parseInt(node.status?.allocatable?.cpu ?? "", 10) * 0.6)}m` },
    };
    await this.node.createPod("plain", {
      terminationGracePeriodSeconds: 30,
      containers: [shell("sleep 1000", { resources })],
    });
    await this.node.podIsReady("plain");
    await this.node.createPod("too-much", { containers: [shell("sleep 1000", { resources })] });
    const ended = (name: string) =>
      waitFor(`the end of ${name}`, async () => {
        const { status } = await this.pods.get("default", name, options);
        return status?.phase === "Failed" && status;
      });
    assert.equal((await ended("too-much")).reason, "OutOfcpu");
    await this.node.createPod("critical", {
      priorityClassName: "system-node-critical",
      terminationGracePeriodSeconds: 1,
      containers: [shell("sleep 1000", { resources })],
    });
    await this.node.podIsReady("critical");
    const { reason, message } = await ended("plain");
    assert.deepEqual([reason, message], ["Preempting", "Preempted in order to admit critical pod"]);
    await this.pods.delete("default", "critical", {}, options);
    await waitFor("the critical pod to go", () =>
      this.pods.get("default", "critical", options).then(() => false, isNotFound),
    );
  }

  private async endsARemovedStaticPod(): Promise<void> {
    await rm(join(this.manifests, "web.json"));
    await waitFor("the mirror to be gone", async () => {
      return this.pods.get("default", STATIC, options).then(
        () => false,
        (error) => isNotFound(error),
      );
    });
    using cri = this.node.containerd.client();
    const left = (await cri.listPodSandboxes()).filter(({ metadata }) => metadata?.name === STATIC);
    assert.deepEqual(left, [], "the static pod outlived its mirror");
  }

  /** A claim and its volume, bound by hand as a controller would. */
  private async mountsALocalVolume(): Promise<void> {
    const path = join(this.node.containerd.dir, "disk");
    await mkdir(path);
    await writeFile(join(path, "greeting"), "hello from the disk");
    const shared = { accessModes: ["ReadWriteOnce"], storageClassName: "by-hand" };
    const claims = this.node.client.of(persistentVolumeClaims);
    const size = { storage: "1Gi" };
    const spec = { ...shared, resources: { requests: size }, volumeName: "disk" };
    const claim = await claims.create("default", { metadata: { name: "data" }, spec }, options);
    const claimRef = {
      kind: "PersistentVolumeClaim",
      namespace: "default",
      name: "data",
      uid: claim.metadata.uid ?? "",
    };
    const expression = { key: "kubernetes.io/hostname", operator: "In", values: [NODE_NAME] };
    const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions: [expression] }] } };
    const volume = { ...shared, capacity: size, claimRef, local: { path }, nodeAffinity };
    await this.node.client.of(persistentVolumes).create("", { metadata: { name: "disk" }, spec: volume }, options);
    const status = { phase: "Bound", accessModes: shared.accessModes, capacity: size };
    await claims.updateStatus({ ...claim, status }, options);
    const mounts = { volumeMounts: [{ name: "v", mountPath: "/v" }] };
    await this.node.createPod("stateful", {
      containers: [shell("cat /v/greeting; echo written > /v/answer; sleep 1000", mounts)],
      volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }],
      securityContext: { fsGroup: 4321 },
    });
    await this.node.podIsReady("stateful");
    await waitFor("the answer", async () => (await readFile(join(path, "answer"), "utf8")) === "written\n");
    assert.equal((await stat(path)).gid, 4321);
    await this.pods.delete("default", "stateful", { gracePeriodSeconds: 0 }, options);
    const mountPoint = join(this.node.rootDir, "pods");
    await waitFor("the unmount", async () => !(await readFile("/proc/self/mounts", "utf8")).includes(`${mountPoint}/`));
    assert.equal(
      await readFile(join(path, "greeting"), "utf8"),
      "hello from the disk",
      "the volume's data was removed",
    );
  }

  private async evictsUnderPressure(): Promise<void> {
    await this.node.createPod("victim", { containers: [shell("sleep 1000")] });
    await this.node.podIsReady("victim");
    await this.node.stopKubelet("SIGTERM");
    this.node.startKubelet(`--config=${this.config}`, "--eviction-hard=nodefs.available<99%");
    const { status } = await waitFor("the eviction", async () => {
      const found = await this.pods.get("default", "victim", options);
      return found.status?.phase === "Failed" && found;
    });
    assert.equal(status?.reason, "Evicted");
    assert.match(
      status?.message ?? "",
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: \S+, available: \S+\. /,
    );
    const node = await this.node.client.of(nodes).get("", NODE_NAME, options);
    const pressure = node.status?.conditions?.find(({ type }) => type === "DiskPressure");
    assert.deepEqual([pressure?.status, pressure?.reason], ["True", "KubeletHasDiskPressure"]);
    await this.node.createPod("late", { containers: [shell("sleep 1")], tolerations: [{ operator: "Exists" }] });
    const late = await waitFor("the refusal", async () => {
      const found = await this.pods.get("default", "late", options);
      return found.status?.phase === "Failed" && found;
    });
    assert.equal(late.status?.message, "Pod was rejected: The node had condition: [DiskPressure]. ");
  }
}

interface ServedManifest extends AsyncDisposable {
  readonly url: string;
  /** From now on there are no pods in it. */
  empty(): void;
}

/** A list with one pod, for those who send the right header. */
async function serveManifest(name: string, containers: readonly object[]): Promise<ServedManifest> {
  const pod = { metadata: { name }, spec: { terminationGracePeriodSeconds: 1, containers } };
  let items: readonly object[] = [pod];
  const server = createServer(({ headers }, response) => {
    const known = headers["x-manifest"] === "wanted";
    response.writeHead(known ? 200 : 403).end(JSON.stringify({ apiVersion: "v1", kind: "PodList", items }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    empty: () => {
      items = [];
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function shell(script: string, more: object = {}) {
  return { name: "c", image: BUSYBOX_IMAGE, command: ["sh", "-c", script], ...more };
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
