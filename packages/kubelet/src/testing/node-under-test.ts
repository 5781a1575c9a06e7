// One real node for a test: etcd, apiserver, containerd and the kubelet as programs, all in one network namespace.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  configMaps,
  events,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  serviceAccounts,
} from "@skiff/api/resource-ref.ts";
import type { Node, OwnerReference, PersistentVolumeSpec, Pod, PodSpec } from "@skiff/api/types.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import type { SigningAuthority } from "@skiff/component-base/x509/issue-certificate.ts";
import { ChildProgram } from "@skiff/testkit/child-program.ts";
import { FaultProxy } from "@skiff/testkit/fault-proxy.ts";
import { freePorts } from "@skiff/testkit/free-port.ts";
import { programFile } from "@skiff/testkit/program-file.ts";
import { clientCertificate, RealApiServer, type ServerPki } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { CgroupDriver } from "../cgroups/cgroup-names.ts";
import { PrivateContainerd } from "./private-containerd.ts";

export const NODE_NAME = "n1";
const options = { signal: new AbortController().signal };

export class NodeUnderTest implements AsyncDisposable {
  readonly containerd: PrivateContainerd;
  readonly client: RestClient;
  readonly cgroupRoot: string;
  private readonly stack: AsyncDisposableStack;
  private readonly args: readonly string[];
  private readonly api: RealApiServer;
  /** What the kubelet says to the API passes through here. */
  readonly toApi: FaultProxy;
  private kubelet: ChildProgram | undefined;

  private constructor(
    containerd: PrivateContainerd,
    client: RestClient,
    args: readonly string[],
    { api, toApi }: { readonly api: RealApiServer; readonly toApi: FaultProxy },
    stack: AsyncDisposableStack,
  ) {
    this.containerd = containerd;
    this.api = api;
    this.toApi = toApi;
    this.client = client;
    this.args = args;
    this.stack = stack;
    this.cgroupRoot = cgroupRootOf(containerd);
  }

  /** Call it inside `netns`: containerd's streaming server and the probes live on its loopback and bridge. */
  static async start(netns: string, cgroupDriver: CgroupDriver = "cgroupfs"): Promise<NodeUnderTest> {
    await using stack = new AsyncDisposableStack();
    const containerd = stack.use(await PrivateContainerd.start("10.231.7.0/24", netns, cgroupDriver));
    const etcd = stack.use(await RealEtcd.start());
    const api = stack.use(await RealApiServer.start(etcd, { flags: ["--runtime-config=api/beta=true"] }));
    const toApi = stack.use(await FaultProxy.start({ host: "127.0.0.1", port: api.port }));
    const deps = { clock: realClock, log: silentLogger() };
    const config = await loadKubeconfig(api.kubeconfig);
    const client = stack.use(new RestClient(config, { userAgent: "kubelet-test" }, deps));
    const args = await kubeletArguments(containerd, api.pki, `https://127.0.0.1:${toApi.port}`);
    args.push(`--cgroup-driver=${cgroupDriver}`);
    return new NodeUnderTest(containerd, client, args, { api, toApi }, stack.move());
  }

  /** The cluster's own. */
  get authority(): SigningAuthority {
    return this.api.pki.ca;
  }

  /** Where pods' files and logs are. */
  get rootDir(): string {
    return join(this.containerd.dir, "kubelet");
  }

  get logDir(): string {
    return join(this.containerd.dir, "logs");
  }

  get kubeletRuns(): boolean {
    return this.kubelet?.isRunning ?? false;
  }

  get kubeletLog(): string {
    return this.kubelet?.log ?? "";
  }

  /** `more` are further flags. */
  startKubelet(...more: readonly string[]): void {
    this.kubelet = new ChildProgram(process.execPath, [...this.args, ...more]);
  }

  /** The node's object, once it is Ready. */
  isReady(): Promise<Node> {
    return waitFor("the node to be ready", async () => {
      const node = await this.client.of(nodes).get("", NODE_NAME, options);
      return node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") && node;
    });
  }

  /** What every pod in the namespace `default` needs, and a controller manager would have made. */
  async furnish(): Promise<void> {
    await this.client.of(serviceAccounts).create("default", { metadata: { name: "default" } }, options);
    const root = { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": "x" } };
    await this.client.of(configMaps).create("default", root, options);
  }

  /** A claim and a volume of the same name in the namespace `default`, bound by hand. */
  async bindVolume(name: string, more: Partial<PersistentVolumeSpec>, owners: OwnerReference[] = []): Promise<void> {
    const shared = { accessModes: ["ReadWriteOnce"], storageClassName: "by-hand", volumeMode: more.volumeMode };
    const size = { storage: "1Gi" };
    const claims = this.client.of(persistentVolumeClaims);
    const spec = { ...shared, resources: { requests: size }, volumeName: name };
    const metadata = { name, ownerReferences: owners };
    const claim = await claims.create("default", { metadata, spec }, options);
    const claimRef = { kind: "PersistentVolumeClaim", namespace: "default", name, uid: claim.metadata.uid ?? "" };
    const volume = { ...shared, capacity: size, claimRef, ...more };
    await this.client.of(persistentVolumes).create("", { metadata: { name }, spec: volume }, options);
    const status = { phase: "Bound", accessModes: shared.accessModes, capacity: size };
    await claims.updateStatus({ ...claim, status }, options);
  }

  /** A pod of this node in the namespace `default`, which ends within a second unless told. */
  async createPod(name: string, spec: Omit<PodSpec, "nodeName">): Promise<void> {
    const full = { nodeName: NODE_NAME, terminationGracePeriodSeconds: 1, ...spec };
    await this.client.of(pods).create("default", { metadata: { name }, spec: full }, options);
  }

  /** That pod, once it is Ready. */
  podIsReady(name: string): Promise<Pod> {
    return waitFor(`pod ${name} to be ready`, async () => {
      const pod = await this.client.of(pods).get("default", name, options);
      return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") && pod;
    });
  }

  /** The error with the node's warnings and the end of the kubelet's log, for the reader of a failure. */
  async explain(error: unknown): Promise<Error> {
    const { items } = await this.client.of(events).list({}, options);
    const warnings = items.filter(({ type }) => type === "Warning").map(({ message }) => message);
    return new Error([(error as Error).message, ...warnings, this.kubeletLog.slice(-8000)].join("\n"), {
      cause: error,
    });
  }

  async stopKubelet(signal: NodeJS.Signals): Promise<void> {
    await this.kubelet?.stop(signal);
  }

  /** The API is away until it is started again; what it stored stays in etcd. */
  async stopApi(): Promise<void> {
    await this.api.stop("SIGKILL");
  }

  async startApi(): Promise<void> {
    await this.api.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopKubelet("SIGTERM");
    await this.stack[Symbol.asyncDispose]();
    await (await CgroupFs.open(realClock)).remove(this.cgroupRoot);
  }
}

function cgroupRootOf(containerd: PrivateContainerd): string {
  return `/${containerd.dir.split("/").at(-1)}`;
}

const MAIN = programFile("kubelet", "kubelet");

async function kubeletArguments(containerd: PrivateContainerd, pki: ServerPki, apiUrl: string): Promise<string[]> {
  const { dir, endpoint } = containerd;
  const { ca } = pki;
  const node = await clientCertificate(pki, `system:node:${NODE_NAME}`, ["system:nodes"]);
  // Nobody checks the name on it here: the test speaks to the API server only.
  const own = await clientCertificate(pki, NODE_NAME);
  await mkdir(join(dir, "pki"));
  const files = {
    "ca.crt": ca.cert,
    "node.crt": node.cert,
    "node.key": node.key,
    "own.crt": own.cert,
    "own.key": own.key,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, "pki", name), text, { mode: 0o600 });
  const file = (name: string) => join(dir, "pki", name);
  const kubeconfig = {
    clusters: [{ name: "test", cluster: { server: apiUrl, "certificate-authority": file("ca.crt") } }],
    users: [{ name: "node", user: { "client-certificate": file("node.crt"), "client-key": file("node.key") } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "node" } }],
    "current-context": "test",
  };
  await writeFile(file("kubeconfig"), JSON.stringify(kubeconfig));
  const [port, healthzPort] = await freePorts(2);
  return [
    MAIN,
    `--kubeconfig=${file("kubeconfig")}`,
    `--hostname-override=${NODE_NAME}`,
    "--node-ip=127.0.0.1",
    `--port=${port}`,
    `--healthz-port=${healthzPort}`,
    `--root-dir=${join(dir, "kubelet")}`,
    `--pod-log-dir=${join(dir, "logs")}`,
    `--container-runtime-endpoint=${endpoint}`,
    `--cgroup-root=${cgroupRootOf(containerd)}`,
    `--tls-cert-file=${file("own.crt")}`,
    `--tls-private-key-file=${file("own.key")}`,
    `--client-ca-file=${file("ca.crt")}`,
    "--resolv-conf=",
  ];
}
