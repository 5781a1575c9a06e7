// What else can go wrong around one real node: pods that cannot run, the API, the images, the disk, a reboot.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { promisify } from "node:util";
import { isNotFound } from "@skiff/api/errors.ts";
import { configMaps, events, nodes, pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import { LABEL } from "../runtime/labels.ts";
import { sandboxConfig } from "../runtime/sandbox-config.ts";
import { HOST_USERS } from "../user-namespaces/in-user-namespace.ts";
import type { BadPod } from "./bad-pods.ts";
import { BAD_PODS } from "./bad-pods.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE, killNow } from "./private-containerd.ts";
import { samplePod } from "./sample-pods.ts";

const run = promisify(execFile);
const options = { signal: new AbortController().signal };
/** Of the disk that holds the pods' files. */
const DISK = "32m";
const EVICTION = ["--eviction-hard=nodefs.available<30%", "--eviction-pressure-transition-period=1s"];
const PATIENCE = { timeoutMs: 60_000, intervalMs: 200 };

/** Rejects at the first step that goes wrong, with the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  try {
    await new Scenario(node).run();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${node.kubeletLog.slice(-8000)}`, { cause: error });
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly pods: ResourceClient<Pod>;

  constructor(node: NodeUnderTest) {
    this.node = node;
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    const stranger = await this.makeAStranger();
    await this.prepare();
    await this.tellsWhatIsWrongWithBadPods();
    await this.create("steady", "cat /cfg/greeting && sleep 1000");
    await this.isReady("steady");
    await this.outlivesASilentApi();
    await this.outlivesLostImages();
    await this.outlivesAFullDisk();
    assert.equal(await this.isUp(stranger), true, "a sandbox that the kubelet did not make was touched");
    await this.comesBackAfterAReboot();
    await this.leavesNothing();
  }

  /** A sandbox as another client of the CRI makes one. */
  private async makeAStranger(): Promise<string> {
    using cri = this.node.containerd.client();
    const dns = { clusterDns: [], clusterDomain: "", node: { servers: [], searches: [], options: [] } };
    const settings = { logDirectory: this.node.logDir, cgroupParent: "", dns, clusterDomain: "", users: HOST_USERS };
    const pod = samplePod({ hostNetwork: true });
    return await cri.runPodSandbox({ ...sandboxConfig(pod, 0, settings), labels: {}, annotations: {} }, "");
  }

  private async isUp(sandboxId: string): Promise<boolean> {
    using cri = this.node.containerd.client();
    return (await cri.podSandboxStatus(sandboxId)).state === "SANDBOX_READY";
  }

  private async prepare(): Promise<void> {
    await mkdir(this.node.rootDir);
    await run("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", this.node.rootDir]);
    this.node.startKubelet(...EVICTION);
    await this.node.isReady();
    await this.node.furnish();
    const maps = this.node.client.of(configMaps);
    await maps.create("default", { metadata: { name: "cfg" }, data: { greeting: "hello" } }, options);
  }

  private async tellsWhatIsWrongWithBadPods(): Promise<void> {
    for (const { name, spec } of BAD_PODS) {
      await this.pods.create("default", { metadata: { name }, spec: { nodeName: NODE_NAME, ...spec } }, options);
    }
    for (const bad of BAD_PODS) {
      await waitFor(`the reason of ${bad.name}`, () => this.tellsWhy(bad), PATIENCE);
    }
    assert.ok(this.node.kubeletRuns, "a bad pod ended the kubelet");
    for (const { name } of BAD_PODS) await this.pods.delete("default", name, { gracePeriodSeconds: 0 }, options);
  }

  private async tellsWhy({ name, reason, message, shownBy }: BadPod): Promise<boolean> {
    const told = shownBy === "event" ? await this.eventsOf(name) : await this.waitingOf(name);
    const fits = told.some((one) => matches(reason, one.reason) && message.test(one.message));
    if (!fits) throw new Error(JSON.stringify(told));
    return true;
  }

  private async eventsOf(name: string): Promise<{ reason: string; message: string }[]> {
    const { items } = await this.node.client.of(events).list({ namespace: "default" }, options);
    const mine = items.filter(({ involvedObject }) => involvedObject.name === name);
    return mine.map(({ reason = "", message = "" }) => ({ reason, message }));
  }

  private async waitingOf(name: string): Promise<{ reason: string; message: string }[]> {
    const { status } = await this.pods.get("default", name, options);
    const states = (status?.containerStatuses ?? []).map(({ state }) => state?.waiting ?? {});
    return states.map(({ reason = "", message = "" }) => ({ reason, message }));
  }

  /** Nothing passes between the kubelet and the API, but no connection ends. */
  private async outlivesASilentApi(): Promise<void> {
    await this.create("doomed", "sleep 1000");
    await this.isReady("doomed");
    const [before] = await this.containersOf("steady");
    assert.ok(before);
    this.node.toApi.stall();
    await this.pods.delete("default", "doomed", { gracePeriodSeconds: 1 }, options);
    killNow(await this.node.containerd.pidOf(before.id));
    const restarted = async () => (await this.containersOf("steady")).some(({ id }) => id !== before.id);
    await waitFor("steady to be restarted without the API", restarted, PATIENCE);
    this.node.toApi.cut();
    this.node.toApi.resume();
    await waitFor("the restart to be told", async () => (await this.restartsOf("steady")) === 1, PATIENCE);
    await waitFor("doomed to be gone", () => this.isGone("doomed"), PATIENCE);
  }

  private async outlivesLostImages(): Promise<void> {
    const [before] = await this.containersOf("steady");
    await this.node.containerd.loseImageContent();
    await this.create("unlucky", "sleep 1000");
    const reason = /^(FailedCreatePodSandBox|Failed)$/;
    await waitFor("what is wrong to be told", async () => {
      const told = await this.eventsOf("unlucky");
      if (!told.some((one) => reason.test(one.reason) && one.message.length > 0)) throw new Error(JSON.stringify(told));
      return true;
    });
    await this.node.containerd.restoreImages();
    await this.isReady("unlucky");
    const [after] = await this.containersOf("steady");
    assert.equal(after?.id, before?.id, "the loss of its image ended a running container");
    await this.pods.delete("default", "unlucky", { gracePeriodSeconds: 0 }, options);
  }

  private async outlivesAFullDisk(): Promise<void> {
    const restarts = await this.restartsOf("steady");
    await this.create("hog", "while cat /bin/busybox >> /data/file; do :; done; echo full; sleep 1000");
    const { status } = await waitFor(
      "the eviction",
      async () => {
        const found = await this.pods.get("default", "hog", options);
        return found.status?.phase === "Failed" && found;
      },
      PATIENCE,
    );
    assert.equal(status?.reason, "Evicted");
    assert.match(status?.message ?? "", /^The node was low on resource: ephemeral-storage\. /);
    const [before] = await this.containersOf("steady");
    assert.ok(before, "steady was evicted for what another pod wrote");
    killNow(await this.node.containerd.pidOf(before.id));
    await waitFor("the restart of steady", async () => (await this.restartsOf("steady")) > restarts, PATIENCE);
    await waitFor("the pressure to be over", () => this.hasCondition("DiskPressure", "False"), PATIENCE);
    await this.create("after", "sleep 1000");
    await this.isReady("after");
    await this.pods.delete("default", "hog", { gracePeriodSeconds: 0 }, options);
  }

  private async comesBackAfterAReboot(): Promise<void> {
    const names = ["steady", "after"];
    const before = await Promise.all(names.map((name) => this.restartsOf(name)));
    await this.node.stopKubelet("SIGKILL");
    await this.node.containerd.loseRuntimeState(this.node.rootDir);
    await (await CgroupFs.open(realClock)).remove(this.node.cgroupRoot);
    await this.node.containerd.launch();
    this.node.startKubelet(...EVICTION);
    for (const [index, name] of names.entries()) {
      await waitFor(
        `${name} to be back`,
        async () => (await this.restartsOf(name)) === (before[index] ?? 0) + 1,
        PATIENCE,
      );
      await this.isReady(name);
      assert.equal((await this.containersOf(name)).length, 1);
    }
  }

  private async leavesNothing(): Promise<void> {
    for (const { metadata } of (await this.pods.list({ namespace: "default" }, options)).items) {
      await this.pods.delete("default", metadata.name, { gracePeriodSeconds: 0 }, options);
    }
    const probe = async () => {
      const addresses = (await readdir(this.node.containerd.addressDir)).filter((name) => /^\d/.test(name));
      const left = [...addresses, ...(await readdir(this.node.logDir))];
      if (left.length > 0) throw new Error(left.join());
      return true;
    };
    await waitFor("addresses and logs to be given back", probe, PATIENCE);
  }

  private async hasCondition(wanted: string, value: string): Promise<boolean> {
    const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
    return status?.conditions?.some(({ type, status: is }) => type === wanted && is === value) ?? false;
  }

  private async create(name: string, script: string): Promise<void> {
    const container = {
      name: "c",
      image: BUSYBOX_IMAGE,
      imagePullPolicy: "Never",
      command: ["sh", "-c", script],
      volumeMounts: [
        { name: "data", mountPath: "/data" },
        { name: "cfg", mountPath: "/cfg" },
      ],
    };
    const volumes = [
      { name: "data", emptyDir: {} },
      { name: "cfg", configMap: { name: "cfg" } },
    ];
    const spec = { nodeName: NODE_NAME, terminationGracePeriodSeconds: 1, containers: [container], volumes };
    await this.pods.create("default", { metadata: { name }, spec }, options);
  }

  private async isReady(name: string): Promise<void> {
    const probe = async () => {
      const { status } = await this.pods.get("default", name, options);
      if (!status?.containerStatuses?.[0]?.ready) throw new Error(JSON.stringify(status?.containerStatuses));
      return true;
    };
    await waitFor(`${name} to be ready`, probe, PATIENCE);
  }

  private async isGone(name: string): Promise<boolean> {
    return this.pods.get("default", name, options).then(() => false, isNotFound);
  }

  private async restartsOf(name: string): Promise<number> {
    const { status } = await this.pods.get("default", name, options);
    return status?.containerStatuses?.[0]?.restartCount ?? -1;
  }

  private async containersOf(podName: string): Promise<{ id: string }[]> {
    using cri = this.node.containerd.client();
    const containers = await cri.listContainers({ [LABEL.podName]: podName });
    return containers.filter(({ state }) => state === "CONTAINER_RUNNING");
  }
}

function matches(wanted: string | RegExp, text: string): boolean {
  return typeof wanted === "string" ? wanted === text : wanted.test(text);
}
