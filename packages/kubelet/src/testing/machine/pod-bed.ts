// What the scenarios of the emulated machine share: a node with the API, pods on it, and the kernel's files about them.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { events, nodes, pods } from "@skiff/api/resource-ref.ts";
import type { Container, Node, Pod, PodSpec } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { freePorts } from "@skiff/testkit/free-port.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../../cgroups/cgroup-fs.ts";
import { NODE_NAME, NodeUnderTest } from "../node-under-test.ts";
import { BUSYBOX_IMAGE } from "../private-containerd.ts";

const options = { signal: new AbortController().signal };

/** Asking more often would leave an emulated processor no time for what is waited for. */
const SELDOM = { intervalMs: 1000 };

export class PodBed {
  readonly node: NodeUnderTest;
  readonly pods: ResourceClient<Pod>;
  private readonly cgroups: CgroupFs;

  /** Where the kubelet tells figures without asking who wants them. */
  private readonly port: number;

  private constructor(node: NodeUnderTest, cgroups: CgroupFs, port: number) {
    this.node = node;
    this.cgroups = cgroups;
    this.port = port;
    this.pods = node.client.of(pods);
  }

  /** Runs `steps` one after the other; the error of the first that fails tells what the pods say, and the kubelet. */
  static async run(netns: string, steps: readonly ((bed: PodBed) => Promise<void>)[]): Promise<void> {
    await using node = await NodeUnderTest.start(netns);
    const [port = 0] = await freePorts(1);
    const bed = new PodBed(node, await CgroupFs.open(realClock), port);
    try {
      await node.furnish();
      for (const step of steps) {
        const from = realClock.monotonic();
        await step(bed);
        process.stdout.write(`${step.name}: ${Math.round((realClock.monotonic() - from) / 1000)} s\n`);
      }
    } catch (error) {
      throw new Error([(error as Error).stack, await bed.told(), node.kubeletLog.slice(-6000)].join("\n"));
    }
  }

  /** Starts the kubelet, or another one in its place, and waits until the node is ready under it. */
  async kubelet(...flags: readonly string[]): Promise<Node> {
    await this.node.stopKubelet("SIGTERM");
    const since = realClock.now() - 1000;
    this.node.startKubelet(`--read-only-port=${this.port}`, ...flags);
    return this.nodeIs("ready", ({ status }) => {
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      return ready?.status === "True" && Date.parse(ready.lastHeartbeatTime ?? "") >= since;
    });
  }

  /** Writes a KubeletConfiguration and returns its path. */
  async configure(settings: object): Promise<string> {
    const file = join(this.node.containerd.dir, "kubelet.json");
    const head = { apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration" };
    await writeFile(file, JSON.stringify({ ...head, ...settings }));
    return file;
  }

  /** What the kubelet answers, as text. */
  async ask(path: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`);
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return text;
  }

  nodeIs(what: string, holds: (node: Node) => boolean): Promise<Node> {
    return waitFor(
      `the node to be ${what}`,
      async () => {
        const node = await this.node.client.of(nodes).get("", NODE_NAME, options);
        return holds(node) && node;
      },
      SELDOM,
    );
  }

  async create(
    name: string,
    container: Partial<Container>,
    spec: Partial<PodSpec> = {},
    annotations: Readonly<Record<string, string>> = {},
    others: readonly Partial<Container>[] = [],
  ): Promise<void> {
    const whole = (one: Partial<Container>) => ({
      name: "c",
      image: BUSYBOX_IMAGE,
      command: ["sleep", "100000"],
      ...one,
    });
    const containers = [container, ...others].map(whole);
    const full = { nodeName: NODE_NAME, terminationGracePeriodSeconds: 1, ...spec, containers };
    await this.pods.create("default", { metadata: { name, annotations }, spec: full }, options);
  }

  podIs(name: string, what: string, holds: (pod: Pod) => boolean): Promise<Pod> {
    return waitFor(
      `pod ${name} to be ${what}`,
      async () => {
        const pod = await this.pods.get("default", name, options);
        return holds(pod) && pod;
      },
      SELDOM,
    );
  }

  ready(name: string): Promise<Pod> {
    const isReady = ({ status }: Pod) =>
      status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
    return this.podIs(name, "ready", isReady);
  }

  /** Refused at admission, or ended badly. */
  async failed(name: string, reason: string, message: RegExp): Promise<Pod> {
    const pod = await this.podIs(name, "failed", ({ status }) => status?.phase === "Failed");
    assert.equal(pod.status?.reason, reason);
    assert.match(pod.status?.message ?? "", message);
    return pod;
  }

  /** Deletes pods and waits until the API has none of them. */
  async remove(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.pods.delete("default", name, { gracePeriodSeconds: 0 }, options);
    for (const name of names) await this.gone(name);
  }

  async gone(name: string): Promise<void> {
    const left = async () => (await this.pods.list({ namespace: "default" }, options)).items;
    await waitFor(`${name} to be gone`, async () => !(await left()).some((pod) => pod.metadata.name === name), SELDOM);
  }

  /** What a script in the pod's first container writes to both of its outputs. */
  async sh(pod: Pod, script: string): Promise<string> {
    using cri = this.node.containerd.client();
    const { stdout, stderr } = await cri.execSync(containerId(pod), ["sh", "-c", script], 60);
    return `${stdout}${stderr}`.trim();
  }

  /** A file of the pod's cgroup, or of its container's. */
  async podFile(pod: Pod, file: string): Promise<string | undefined> {
    return (await this.cgroups.read(file.split(".")[0] ?? "", this.cgroupOf(pod), file))?.trim();
  }

  async containerFile(pod: Pod, file: string): Promise<string | undefined> {
    const path = join(this.cgroupOf(pod), containerId(pod));
    return (await this.cgroups.read(file.split(".")[0] ?? "", path, file))?.trim();
  }

  /** Has the kernel take back so much of the container's memory, as far as it can. */
  async reclaim(pod: Pod, bytes: number): Promise<void> {
    const file = join("/sys/fs/cgroup", this.cgroupOf(pod), containerId(pod), "memory.reclaim");
    await writeFile(file, String(bytes)).catch((error: NodeJS.ErrnoException) => {
      // It found less, which what remains will tell.
      if (error.code !== "EAGAIN") throw error;
    });
  }

  /** A file about the container's first process, such as `status`. */
  async processFile(pod: Pod, file: string): Promise<string> {
    return readFile(`/proc/${await this.node.containerd.pidOf(containerId(pod))}/${file}`, "utf8");
  }

  /** Reasons and messages of the events about the pod. */
  async eventsOf(name: string): Promise<string[]> {
    const { items } = await this.node.client.of(events).list({}, options);
    const own = items.filter(({ involvedObject }) => involvedObject.name === name);
    return own.map(({ reason, message }) => `${reason}: ${message}`);
  }

  eventIs(name: string, wanted: RegExp): Promise<string> {
    const find = async () => (await this.eventsOf(name)).find((text) => wanted.test(text));
    return waitFor(`an event of ${name} that says ${wanted}`, find, SELDOM);
  }

  private cgroupOf(pod: Pod): string {
    const level = pod.status?.qosClass === "Guaranteed" ? "" : (pod.status?.qosClass?.toLowerCase() ?? "");
    return join(this.node.cgroupRoot, "kubepods", level, `pod${pod.metadata.uid}`);
  }

  private async told(): Promise<string> {
    const { items } = await this.pods.list({ namespace: "default" }, options);
    return items.map(({ metadata, status }) => `${metadata.name}: ${JSON.stringify(status)}`).join("\n");
  }
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
