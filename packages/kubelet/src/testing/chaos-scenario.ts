// Kills kubelet, containerd, shims and containers of one real node at random while pods come and go, then takes stock.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { isApiError } from "@skiff/api/errors.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { LABEL } from "../runtime/labels.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE, childrenOf, killNow } from "./private-containerd.ts";

const run = promisify(execFile);
const options = { signal: new AbortController().signal };

const CHAOS_MS = 14_000;
const STEADY_PODS = 4;
const MAX_PODS = 10;
const SETTLE = { timeoutMs: 60_000, intervalMs: 200 };

/** Rejects with what is wrong afterwards, and the end of the kubelet's log. */
export default async function runScenario(netns: string, seed: number): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  const scenario = new ChaosScenario(node, netns, seed);
  try {
    await scenario.run();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${scenario.diary.join("\n")}\n${node.kubeletLog.slice(-8000)}`, {
      cause: error,
    });
  }
}

class ChaosScenario {
  /** What was done, for the reader of a failure. */
  readonly diary: string[] = [];
  private readonly node: NodeUnderTest;
  private readonly netns: string;
  private readonly random: () => number;
  private readonly pods: ResourceClient<Pod>;
  private made = 0;

  constructor(node: NodeUnderTest, netns: string, seed: number) {
    this.node = node;
    this.netns = netns;
    this.random = mulberry32(seed);
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    await this.prepare();
    for (let index = 0; index < STEADY_PODS; index++) await this.create(false);
    await this.allAsTheirSpecsSay();
    await this.doDamage();
    await this.allAsTheirSpecsSay();
    await this.outliveTheApi();
    await this.leaveNothing();
  }

  private async prepare(): Promise<void> {
    this.node.startKubelet();
    await this.node.isReady();
    await this.node.furnish();
  }

  private async doDamage(): Promise<void> {
    const acts: readonly (readonly [number, () => Promise<void>])[] = [
      [3, () => this.killKubelet()],
      [2, () => this.killContainerd()],
      [3, () => this.killShim()],
      [4, () => this.killContainer()],
      [5, () => this.createSome()],
      [4, () => this.deleteOne()],
    ];
    const end = realClock.monotonic() + CHAOS_MS;
    while (realClock.monotonic() < end) {
      await this.pick(acts.flatMap(([weight, act]) => Array<() => Promise<void>>(weight).fill(act)))?.();
      await realClock.sleep(this.random() * 600);
    }
  }

  private async killKubelet(): Promise<void> {
    this.diary.push("kill kubelet");
    await this.node.stopKubelet("SIGKILL");
    this.node.startKubelet();
  }

  private async killContainerd(): Promise<void> {
    this.diary.push("kill containerd");
    await this.node.containerd.kill("SIGKILL");
    await realClock.sleep(this.random() * 1000);
    await this.node.containerd.launch();
  }

  private async killShim(): Promise<void> {
    const shim = this.pick(await this.node.containerd.shims());
    this.diary.push(`kill shim ${shim}`);
    if (shim) killNow(shim);
  }

  private async killContainer(): Promise<void> {
    using cri = this.node.containerd.client();
    const containers = await cri.listContainers().catch(() => []);
    const victim = this.pick(containers.filter(({ state }) => state === "CONTAINER_RUNNING"));
    if (!victim) return;
    this.diary.push(`kill container of ${victim.labels[LABEL.podName]}`);
    const pid = await this.node.containerd.pidOf(victim.id);
    if (pid > 0) killNow(pid);
  }

  private async createSome(): Promise<void> {
    if ((await this.all()).length < MAX_PODS) await this.create(this.random() < 0.3);
  }

  private async create(ends: boolean): Promise<string> {
    const name = `p${this.made++}`;
    this.diary.push(`create ${name}${ends ? ", which ends" : ""}`);
    const command = ["sh", "-c", ends ? "sleep 1" : "trap 'exit 0' TERM; while true; do sleep 1; done"];
    const spec: Pod["spec"] = {
      nodeName: NODE_NAME,
      terminationGracePeriodSeconds: 1,
      restartPolicy: ends ? "OnFailure" : "Always",
      containers: [{ name: "c", image: BUSYBOX_IMAGE, imagePullPolicy: "Never", command }],
      volumes: [{ name: "data", emptyDir: { medium: "Memory" } }],
    };
    await this.pods.create("default", { metadata: { name }, spec }, options);
    return name;
  }

  private async deleteOne(): Promise<void> {
    const victim = this.pick(await this.all());
    if (!victim) return;
    const gracePeriodSeconds = this.random() < 0.5 ? 0 : 1;
    this.diary.push(`delete ${victim.metadata.name} with ${gracePeriodSeconds} s`);
    await this.delete(victim.metadata.name, gracePeriodSeconds);
  }

  /** The API away for a while: what dies meanwhile is started again, and told of afterwards. */
  private async outliveTheApi(): Promise<void> {
    const name = await this.create(false);
    await this.allAsTheirSpecsSay();
    using cri = this.node.containerd.client();
    this.diary.push("the API goes");
    await this.node.stopApi();
    const [before] = await containersOf(cri, name);
    assert.ok(before, `${name} has no container`);
    killNow(await this.node.containerd.pidOf(before.id));
    const restarted = async () => (await containersOf(cri, name)).some((now) => now.id !== before.id);
    await waitFor(`${name} to be restarted`, restarted, SETTLE);
    this.diary.push("the API returns");
    await this.node.startApi();
    await waitFor(`the restart of ${name} to be told`, async () => {
      const { status } = await this.pods.get("default", name, options);
      return status?.containerStatuses?.[0]?.restartCount === 1;
    });
    await this.allAsTheirSpecsSay();
  }

  private async allAsTheirSpecsSay(): Promise<void> {
    using cri = this.node.containerd.client();
    await waitFor(
      "every pod to be as its spec says",
      async () => {
        const wrong = await this.complaints(cri);
        if (wrong.length > 0) throw new Error(wrong.join("; "));
        return true;
      },
      SETTLE,
    );
  }

  private async complaints(cri: CriClient): Promise<string[]> {
    const [wanted, containers, sandboxes] = await Promise.all([
      this.all(),
      cri.listContainers(),
      cri.listPodSandboxes(),
    ]);
    const known = new Set(wanted.map(({ metadata }) => metadata.uid));
    const strangers = sandboxes.filter(({ labels }) => !known.has(labels[LABEL.podUid] ?? ""));
    const wrong = strangers.map(({ labels }) => `${labels[LABEL.podName]} is gone and has a sandbox`);
    for (const pod of wanted) {
      const { name, uid = "" } = pod.metadata;
      const running = containers.filter((c) => c.labels[LABEL.podUid] === uid && c.state === "CONTAINER_RUNNING");
      const expected = pod.spec?.restartPolicy === "Always" ? 1 : 0;
      if (running.length !== expected) wrong.push(`${name} has ${running.length} running containers, not ${expected}`);
      const phase = expected === 1 ? "Running" : "Succeeded";
      if (pod.status?.phase !== phase) wrong.push(`${name} is ${pod.status?.phase}, not ${phase}`);
      if (expected === 1 && !pod.status?.containerStatuses?.[0]?.ready) wrong.push(`${name} is not ready`);
    }
    return wrong;
  }

  private async leaveNothing(): Promise<void> {
    for (const pod of await this.all()) await this.delete(pod.metadata.name, 0);
    const probe = async () => {
      const left = await this.leftovers();
      if (left.length > 0) throw new Error(left.join("; "));
      return true;
    };
    await waitFor("nothing to be left of pods", probe, SETTLE);
  }

  private async leftovers(): Promise<string[]> {
    const { containerd, rootDir, cgroupRoot } = this.node;
    using cri = containerd.client();
    const cgroups = await CgroupFs.open(realClock);
    const besteffort = await cgroups.children(`${cgroupRoot}/kubepods/besteffort`);
    const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
      .split("\n")
      .filter((line) => line.includes(containerd.dir));
    const links = (await run("ip", ["-n", this.netns, "-o", "link", "show", "type", "veth"])).stdout.split("\n");
    const found = {
      sandbox: (await cri.listPodSandboxes()).map(({ id }) => id),
      container: (await cri.listContainers()).map(({ id }) => id),
      folder: await readdir(join(rootDir, "pods")),
      memory: await readdir(join(rootDir, "memory-volumes")).catch(() => []),
      log: await readdir(this.node.logDir),
      cgroup: [...besteffort].filter((name) => name.startsWith("pod")),
      mount: mounts.filter((line) => !line.includes("memory-volumes")).map((line) => line.split(" ")[4] ?? ""),
      link: links.filter(Boolean),
      // A shim itself does not count: containerd 1.6, killed between the start of a shim and that of its task, never ends
      // it, and neither the CRI nor a restart of containerd shows it.
      process: (await childrenOf(await containerd.shims())).map(String),
      address: (await readdir(containerd.addressDir)).filter((name) => /^\d/.test(name)),
    };
    return Object.entries(found).flatMap(([sort, items]) => items.map((item) => `${sort} ${item}`));
  }

  private async all(): Promise<Pod[]> {
    return (await this.pods.list({ namespace: "default" }, options)).items;
  }

  private async delete(name: string, gracePeriodSeconds: number): Promise<void> {
    await this.pods.delete("default", name, { gracePeriodSeconds }, options).catch((error) => {
      if (!isApiError(error, "NotFound")) throw error;
    });
  }

  private pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)];
  }
}

async function containersOf(cri: CriClient, podName: string) {
  const containers = await cri.listContainers({ [LABEL.podName]: podName });
  return containers.filter(({ state }) => state === "CONTAINER_RUNNING");
}

/** A small generator of random numbers that a seed repeats. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
