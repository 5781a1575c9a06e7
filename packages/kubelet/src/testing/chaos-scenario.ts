// Kills kubelet, containerd, shims, containers and what they start of one real node at random while pods come and go, then takes stock.
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isApiError } from "@skiff/api/errors.ts";
import { configMaps, csiDrivers, pods, secrets } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { CsiDriver } from "@skiff/testkit/csi/csi-driver.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { LABEL } from "../runtime/labels.ts";
import { isMirrorPod } from "../static-pods/annotations.ts";
import type { ChurnKind } from "./churn-pods.ts";
import { CHURN_DRIVER, CHURN_KINDS, churnSpec } from "./churn-pods.ts";
import { NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE, killNow } from "./private-containerd.ts";
import { complaintsOf, leftoversOf } from "./take-stock.ts";

const options = { signal: new AbortController().signal };

const CHAOS_MS = 14_000;
const STEADY: readonly ChurnKind[] = ["plain", "family", "volumes", "claimed"];
const MAX_PODS = 12;
/** What the runtime has forgotten is looked at for a minute before it is ended. */
const SETTLE = { timeoutMs: 100_000, intervalMs: 200 };
/** How long to look out for a process that lives for milliseconds. */
const AMBUSH_MS = 700;

/** Rejects with what is wrong afterwards, and the end of the kubelet's log. */
export default async function runScenario(netns: string, seed: number): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  await using driver = await CsiDriver.start({
    name: CHURN_DRIVER,
    kubeletRoot: node.rootDir,
    storage: join(node.containerd.dir, "storage"),
    nodeId: "n1",
  });
  const scenario = new ChaosScenario(node, { netns, seed, driver });
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
  private readonly startedMs = realClock.monotonic();
  private readonly node: NodeUnderTest;
  private readonly netns: string;
  private readonly driver: CsiDriver;
  private readonly random: () => number;
  private readonly pods: ResourceClient<Pod>;
  private made = 0;

  constructor(
    node: NodeUnderTest,
    more: { readonly netns: string; readonly seed: number; readonly driver: CsiDriver },
  ) {
    this.node = node;
    this.netns = more.netns;
    this.driver = more.driver;
    this.random = mulberry32(more.seed);
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    await this.prepare();
    for (const kind of STEADY) await this.create(kind);
    await this.allAsTheirSpecsSay();
    await this.adoptsStaticPods();
    await this.doDamage();
    await this.allAsTheirSpecsSay();
    await this.outliveTheApi();
    await this.leaveNothing();
  }

  private async prepare(): Promise<void> {
    await mkdir(this.manifests);
    await writeFile(this.configFile, JSON.stringify(configuration(this.manifests)));
    this.startKubelet();
    await this.node.isReady();
    await this.node.furnish();
    const { client } = this.node;
    const metadata = { name: "churn" };
    await client.of(configMaps).create("default", { metadata, data: { greeting: "hello" } }, options);
    await client.of(secrets).create("default", { metadata, data: { key: "YQ==" } }, options);
    const spec = { attachRequired: false, volumeLifecycleModes: ["Persistent", "Ephemeral"] };
    await client.of(csiDrivers).create("", { metadata: { name: CHURN_DRIVER }, spec }, options);
    await this.node.bindVolume("churn", { csi: { driver: CHURN_DRIVER, volumeHandle: "churn" } });
    await this.driver.register();
  }

  private get manifests(): string {
    return join(this.node.containerd.dir, "manifests");
  }

  private get configFile(): string {
    return join(this.node.containerd.dir, "kubelet.json");
  }

  private startKubelet(): void {
    this.node.startKubelet(`--config=${this.configFile}`);
  }

  /** A kubelet that starts must not take them for orphans before it has read their manifests. */
  private async adoptsStaticPods(): Promise<void> {
    await this.writeStaticPod("static-0");
    await this.node.podIsReady("static-0-n1");
    await this.allAsTheirSpecsSay();
    using cri = this.node.containerd.client();
    const before = await containersOf(cri, "static-0-n1");
    await this.killKubelet();
    // Whoever made it has looked at every pod and at what may be an orphan.
    const name = await this.create("plain");
    await this.node.podIsReady(name);
    assert.deepEqual(await containersOf(cri, "static-0-n1"), before, "a static pod was ended by a new kubelet");
  }

  private async doDamage(): Promise<void> {
    const acts: readonly (readonly [number, () => Promise<void>])[] = [
      [3, () => this.killKubelet()],
      [2, () => this.killContainerd()],
      [2, () => this.killShim()],
      [4, () => this.killContainer()],
      [4, () => this.killHelper()],
      [7, () => this.createSome()],
      [4, () => this.deleteOne()],
      [2, () => this.resizeOne()],
      [1, () => this.debugOne()],
      [2, () => this.turnStaticPod()],
    ];
    const end = realClock.monotonic() + CHAOS_MS;
    while (realClock.monotonic() < end) {
      await this.pick(acts.flatMap(([weight, act]) => Array<() => Promise<void>>(weight).fill(act)))?.();
      await realClock.sleep(this.random() * 600);
    }
  }

  private async killKubelet(): Promise<void> {
    this.note("kill kubelet");
    await this.node.stopKubelet("SIGKILL");
    this.startKubelet();
  }

  private async killContainerd(): Promise<void> {
    this.note("kill containerd");
    await this.node.containerd.kill("SIGKILL");
    await realClock.sleep(this.random() * 1000);
    await this.node.containerd.launch();
  }

  private async killShim(): Promise<void> {
    const shim = this.pick(await this.node.containerd.shims());
    this.note(`kill shim ${shim}`);
    if (shim) killNow(shim);
  }

  private async killContainer(): Promise<void> {
    using cri = this.node.containerd.client();
    const containers = await cri.listContainers().catch(() => []);
    const victim = this.pick(containers.filter(({ state }) => state === "CONTAINER_RUNNING"));
    if (!victim) return;
    this.note(`kill container of ${victim.labels[LABEL.podName]}`);
    const pid = await this.node.containerd.pidOf(victim.id);
    if (pid > 0) killNow(pid);
  }

  /** One of those that containerd and its shims start for a moment: runc, a CNI plug-in, the container before its program. */
  private async killHelper(): Promise<void> {
    const end = realClock.monotonic() + AMBUSH_MS;
    if (this.random() < 0.7) await this.createSome();
    const skip = Math.floor(this.random() * 6);
    const seen = new Set<number>();
    while (realClock.monotonic() < end) {
      for (const { pid, name } of await this.node.containerd.helpers()) {
        seen.add(pid);
        if (seen.size <= skip) continue;
        this.note(`kill ${name} ${pid}`);
        return killNow(pid);
      }
      await realClock.sleep(1);
    }
  }

  private async resizeOne(): Promise<void> {
    const resizable = (await this.all()).filter(({ metadata }) => metadata.name.startsWith("resizable"));
    const name = this.pick(resizable)?.metadata.name;
    if (!name) return;
    const amounts = {
      cpu: `${10 + Math.floor(this.random() * 30)}m`,
      memory: `${24 + Math.floor(this.random() * 16)}Mi`,
    };
    this.note(`resize ${name} to ${amounts.cpu} and ${amounts.memory}`);
    const spec = { containers: [{ name: "c", resources: { requests: amounts, limits: amounts } }] };
    await this.change(name, "resize", { spec });
  }

  private async debugOne(): Promise<void> {
    const name = this.pick(await this.all())?.metadata.name;
    if (!name || name.startsWith("static")) return;
    this.note(`debug ${name}`);
    const debuggers = { name: `debug-${this.made++}`, image: BUSYBOX_IMAGE, command: ["sleep", "2"] };
    await this.change(name, "ephemeralcontainers", { spec: { ephemeralContainers: [debuggers] } });
  }

  private async change(name: string, subresource: string, body: object): Promise<void> {
    await this.pods.patch("default", name, "strategic", body, { ...options, subresource }).catch((error) => {
      // It may be going, or gone.
      this.note(`refused: ${error.message}`);
    });
  }

  /** The manifest comes, changes, or goes. */
  private async turnStaticPod(): Promise<void> {
    const name = `static-${Math.floor(this.random() * 2)}`;
    if (this.random() < 0.3) {
      this.note(`remove ${name}`);
      return rm(join(this.manifests, `${name}.json`), { force: true });
    }
    await this.writeStaticPod(name);
  }

  private async writeStaticPod(name: string): Promise<void> {
    this.note(`write ${name}`);
    const metadata = { name, namespace: "default", labels: { version: String(this.made++) } };
    const manifest = { apiVersion: "v1", kind: "Pod", metadata, spec: churnSpec("hostPort", 1000 + this.made) };
    await writeFile(join(this.manifests, `${name}.json`), JSON.stringify(manifest));
  }

  private async createSome(): Promise<void> {
    if ((await this.all()).length < MAX_PODS) await this.create(this.pick(CHURN_KINDS) ?? "plain");
  }

  private async create(kind: ChurnKind): Promise<string> {
    const number = this.made++;
    const name = `${kind.toLowerCase()}-${number}`;
    this.note(`create ${name}`);
    await this.node.createPod(name, churnSpec(kind, number));
    return name;
  }

  private async deleteOne(): Promise<void> {
    const victim = this.pick(await this.all());
    if (!victim || isMirrorPod(victim)) return;
    const gracePeriodSeconds = this.random() < 0.5 ? 0 : 1;
    this.note(`delete ${victim.metadata.name} with ${gracePeriodSeconds} s`);
    await this.delete(victim.metadata.name, gracePeriodSeconds);
  }

  /** The API away for a while: what dies meanwhile is started again, and told of afterwards. */
  private async outliveTheApi(): Promise<void> {
    const name = await this.create("plain");
    await this.allAsTheirSpecsSay();
    using cri = this.node.containerd.client();
    this.note("the API goes");
    await this.node.stopApi();
    const [before] = await containersOf(cri, name);
    assert.ok(before, `${name} has no container`);
    killNow(await this.node.containerd.pidOf(before.id));
    const restarted = async () => (await containersOf(cri, name)).some((now) => now.id !== before.id);
    await waitFor(`${name} to be restarted`, restarted, SETTLE);
    this.note("the API returns");
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
        const wrong = await complaintsOf(this.node, cri, await this.all());
        if (wrong.length > 0) throw new Error(wrong.join("; "));
        return true;
      },
      SETTLE,
    );
  }

  private async leaveNothing(): Promise<void> {
    await rm(this.manifests, { recursive: true });
    await mkdir(this.manifests);
    for (const pod of await this.all()) await this.delete(pod.metadata.name, 0);
    const probe = async () => {
      const left = await leftoversOf(this.node, this.netns);
      if (left.length > 0) throw new Error(left.join("; "));
      return true;
    };
    await waitFor("nothing to be left of pods", probe, SETTLE);
  }

  private note(what: string): void {
    this.diary.push(`${((realClock.monotonic() - this.startedMs) / 1000).toFixed(1)} s: ${what}`);
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

/** What is killed again and again comes back soon, so that the test need not wait for long. */
function configuration(staticPodPath: string): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    staticPodPath,
    crashLoopBackOff: { maxContainerRestartPeriod: "2s" },
  };
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
