// What pods may use of one real node, step by step; resources.component.test.ts runs it inside a network namespace.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { get } from "node:https";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { events, nodes, pods } from "@skiff/api/resource-ref.ts";
import type { Pod, ResourceRequirements } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import { NO_QUOTA } from "../cgroups/cpu-quotas.ts";
import { FakeDevicePlugin } from "./fake-device-plugin.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE, killNow } from "./private-containerd.ts";

const options = { signal: new AbortController().signal };
const MIB = 1024 * 1024;
const WIDGET = "example.com/widget";

/** Rejects at the first step that goes wrong, with the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  const scenario = new Scenario(node, await CgroupFs.open(realClock));
  try {
    await scenario.run();
  } catch (error) {
    throw await node.explain(error);
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly cgroups: CgroupFs;
  private readonly pods: ResourceClient<Pod>;

  constructor(node: NodeUnderTest, cgroups: CgroupFs) {
    this.node = node;
    this.cgroups = cgroups;
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    await this.prepare();
    await this.resizes();
    await this.resizesWhatHasDied();
    await this.resizesAsAWhole();
    await this.restartsForAResize();
    await this.defersAResize();
    await this.givesDevices();
    // One is kept for the system, and there must be another to give out.
    if (availableParallelism() < 2) return;
    await this.pinsProcessors();
    await this.keepsItsPlace();
  }

  private async prepare(): Promise<void> {
    this.node.startKubelet();
    await this.node.isReady();
    await this.node.furnish();
  }

  private async resizes(): Promise<void> {
    assert.equal((await this.ask("/stats/summary")).status, 401, "nobody comes in unless told");
    await this.create("resized", [sleeper("c", amounts("100m", "64Mi"))]);
    const before = await this.node.podIsReady("resized");
    assert.deepEqual(await this.limitsOf(before), { quota: 10_000, memory: 64 * MIB });
    await this.resize("resized", amounts("200m", "96Mi"));
    const after = await this.isResized("resized", amounts("200m", "96Mi"));
    assert.deepEqual(await this.limitsOf(after), { quota: 20_000, memory: 96 * MIB });
    assert.deepEqual(await this.podLimitsOf(after), { quota: 20_000, memory: 96 * MIB });
    assert.equal(containerId(after), containerId(before), "the container was replaced");
    assert.equal(after.status?.observedGeneration, 2);
    const reasons = await waitFor("the events", async () => {
      const found = await this.reasonsFor("resized");
      return found.includes("ResizeCompleted") && found;
    });
    assert.ok(reasons.includes("ResizeStarted"));
    // A kubelet that starts anew knows what it granted, and what containers have.
    await this.node.stopKubelet("SIGKILL");
    await this.resize("resized", amounts("100m", "80Mi"));
    const system = join(this.node.cgroupRoot, "system");
    await this.cgroups.create(system, {});
    const enforced = ["--enforce-node-allocatable=pods,system-reserved", `--system-reserved-cgroup=${system}`];
    this.node.startKubelet(...enforced, "--system-reserved=memory=64Mi", "--pod-max-pids=77");
    const shrunk = await this.isResized("resized", amounts("100m", "80Mi"));
    assert.deepEqual(await this.limitsOf(shrunk), { quota: 10_000, memory: 80 * MIB });
    assert.equal(containerId(shrunk), containerId(before));
    assert.equal((await this.readLimits(system)).memory, 64 * MIB, "what the system may have");
  }

  /** What is started with what was granted has nothing to wait for. */
  private async resizesWhatHasDied(): Promise<void> {
    const { containerd } = this.node;
    await this.node.stopKubelet("SIGKILL");
    killNow(await containerd.pidOf(containerId(await this.pods.get("default", "resized", options))));
    await this.resize("resized", amounts("150m", "96Mi"));
    this.node.startKubelet("--pod-max-pids=77");
    const after = await this.isResized("resized", amounts("150m", "96Mi"));
    assert.deepEqual(await this.limitsOf(after), { quota: 15_000, memory: 96 * MIB });
  }

  /** A pod that is sized as one bounds containers that have no limits of their own, then and later. */
  private async resizesAsAWhole(): Promise<void> {
    const spec = { terminationGracePeriodSeconds: 0, resources: amounts("200m", "64Mi") };
    await this.node.createPod("whole", { ...spec, containers: [sleeper("c", {})] });
    const before = await this.node.podIsReady("whole");
    const small = { quota: 20_000, memory: 64 * MIB };
    assert.deepEqual([await this.podLimitsOf(before), await this.limitsOf(before)], [small, small]);
    for (const [cpu, memory, quota, mib] of [
      ["300m", "96Mi", 30_000, 96],
      ["100m", "80Mi", 10_000, 80],
    ] as const) {
      const body = { spec: { resources: amounts(cpu, memory) } };
      await this.pods.patch("default", "whole", "strategic", body, { ...options, subresource: "resize" });
      const after = await waitFor("the pod to be resized as a whole", async () => {
        const pod = await this.pods.get("default", "whole", options);
        const isOver = !pod.status?.conditions?.some(({ type }) => type.startsWith("PodResize"));
        return isOver && pod.status?.resources?.limits?.memory === memory && pod;
      });
      assert.deepEqual(after.status?.resources, amounts(cpu, memory));
      assert.deepEqual(after.status?.allocatedResources, { cpu, memory });
      assert.deepEqual(after.status?.containerStatuses?.[0]?.resources?.limits, { cpu, memory });
      const bounds = { quota, memory: mib * MIB };
      assert.deepEqual([await this.podLimitsOf(after), await this.limitsOf(after)], [bounds, bounds]);
      assert.equal(containerId(after), containerId(before), "the container was replaced");
    }
    const said = await waitFor("the event", async () => {
      const { items } = await this.node.client.of(events).list({}, options);
      return items.find(
        ({ involvedObject, reason }) => involvedObject.name === "whole" && reason === "ResizeCompleted",
      );
    });
    assert.match(said.message ?? "", /^Pod resize completed: {"resources":{"limits":/);
    const tooLow = { spec: { resources: { limits: { memory: "1Ki" }, requests: { memory: "1Ki" } } } };
    await this.pods.patch("default", "whole", "strategic", tooLow, { ...options, subresource: "resize" });
    const refused = await waitFor("the limit to be refused", async () => {
      const { status } = await this.pods.get("default", "whole", options);
      return status?.conditions?.find(({ type, reason }) => type === "PodResizeInProgress" && reason === "Error");
    });
    assert.match(refused.message ?? "", /^cannot decrease memory limits: .*set pod memory limit \(1024\) below/);
    await this.pods.delete("default", "whole", { gracePeriodSeconds: 0 }, options);
  }

  private async restartsForAResize(): Promise<void> {
    const resizePolicy = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
    await this.create("restarted", [{ ...sleeper("c", amounts("100m", "64Mi")), resizePolicy }]);
    const before = await this.node.podIsReady("restarted");
    assert.equal((await this.cgroups.read("pids", this.cgroupOf(before), "pids.max"))?.trim(), "77");
    await this.resize("restarted", amounts("100m", "32Mi"));
    const after = await this.isResized("restarted", amounts("100m", "32Mi"));
    assert.notEqual(containerId(after), containerId(before), "the container was not replaced");
    assert.equal(after.status?.containerStatuses?.[0]?.restartCount, 1);
    assert.equal((await this.limitsOf(after)).memory, 32 * MIB);
  }

  private async defersAResize(): Promise<void> {
    const node = await this.node.client.of(nodes).get("", NODE_NAME, options);
    const cores = Number(node.status?.allocatable?.cpu);
    await this.create("big", [sleeper("c", { requests: { cpu: `${cores * 1000 - 500}m`, memory: "16Mi" } })]);
    await this.node.podIsReady("big");
    await this.resize("resized", amounts(String(cores + 1), "80Mi"));
    await this.isPending("resized", "Infeasible", /enough capacity: cpu/);
    await this.resize("resized", amounts("600m", "80Mi"));
    await this.isPending("resized", "Deferred", /^Node didn't have enough resource: cpu/);
    await this.pods.delete("default", "big", { gracePeriodSeconds: 0 }, options);
    const after = await this.isResized("resized", amounts("600m", "80Mi"));
    assert.equal((await this.limitsOf(after)).quota, 60_000);
  }

  private async givesDevices(): Promise<void> {
    const folder = join(this.node.rootDir, "device-plugins");
    await using plugin = await FakeDevicePlugin.start({
      folder,
      resource: WIDGET,
      devices: [{ ID: "w1", health: "Healthy" }],
      respond: ([id = ""]) => ({
        envs: { WIDGET: id },
        mounts: [{ containerPath: "/widgets", hostPath: this.node.rootDir, readOnly: true }],
        devices: [{ containerPath: "/dev/widget", hostPath: "/dev/null", permissions: "rw" }],
      }),
    });
    await plugin.register();
    await this.hasWidgets("1");
    const script =
      "test -c /dev/widget && test -d /widgets/pods && echo >/dev/widget && echo has $WIDGET && sleep 1000";
    const widget = { limits: { [WIDGET]: "1" } };
    const command = ["sh", "-c", script];
    await this.create("device", [{ ...sleeper("c", widget), command }]);
    const pod = await this.node.podIsReady("device");
    const log = join(this.node.logDir, `default_device_${pod.metadata.uid}`, "c", "0.log");
    await waitFor("the container to see it", async () => (await readFile(log, "utf8")).includes("has w1"));
    await this.create("deviceless", [sleeper("c", widget)]);
    const refused = await this.hasFailed("deviceless");
    assert.equal(refused.status?.reason, "UnexpectedAdmissionError");
    assert.match(refused.status?.message ?? "", /requested number of devices unavailable for example.com\/widget/);
    await this.tellsOfWidget("Healthy");
    plugin.offer([{ ID: "w1", health: "Unhealthy" }]);
    await this.hasWidgets("0");
    await this.tellsOfWidget("Unhealthy");
    // The next kubelet takes the plugin's socket away, but not the device from its pod.
    await this.node.stopKubelet("SIGKILL");
    this.node.startKubelet();
    await this.hasWidgets("0", "0");
    assert.equal(containerId(await this.node.podIsReady("device")), containerId(pod));
    await this.tellsOfWidget("Unknown");
    await this.pods.delete("default", "device", { gracePeriodSeconds: 0 }, options);
  }

  /** In the status of the pod that has it. */
  private async tellsOfWidget(health: string): Promise<void> {
    await waitFor(`word of a widget that is ${health}`, async () => {
      const { status } = await this.pods.get("default", "device", options);
      const [told] = status?.containerStatuses?.[0]?.allocatedResourcesStatus ?? [];
      return told?.name === WIDGET && told.resources?.[0]?.resourceID === "w1" && told.resources[0].health === health;
    });
  }

  /** On two processors: one for the system, one to give out. */
  private async pinsProcessors(): Promise<void> {
    const left = ["resized", "restarted", "deviceless"];
    for (const name of left) await this.pods.delete("default", name, { gracePeriodSeconds: 0 }, options);
    await this.create("sharing", [sleeper("c", {})]);
    const sharing = await this.node.podIsReady("sharing");
    await this.node.stopKubelet("SIGTERM");
    // As upstream wants it where the policy changes.
    await rm(join(this.node.rootDir, "cpu_manager_state"));
    const open = ["--anonymous-auth=true", "--authorization-mode=AlwaysAllow"];
    const place = [`--kubelet-cgroups=${this.ownCgroup}`, "--oom-score-adj=500"];
    this.node.startKubelet("--cpu-manager-policy=static", "--reserved-cpus=0", ...open, ...place);
    await waitFor("the reservation to show", async () => {
      const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
      return Number(status?.capacity?.cpu) - Number(status?.allocatable?.cpu) === 1;
    });
    await this.create("pinned", [sleeper("c", amounts("1", "16Mi"))]);
    const pinned = await this.node.podIsReady("pinned");
    assert.equal(await this.cpusetOf(pinned), "1");
    // Nobody is behind it on its processor, so that a quota would only waste it.
    assert.deepEqual(
      [(await this.limitsOf(pinned)).quota, (await this.podLimitsOf(pinned)).quota],
      [NO_QUOTA, NO_QUOTA],
    );
    const others = availableParallelism() > 2 ? `0,2-${availableParallelism() - 1}`.replace("2-2", "2") : "0";
    await waitFor("the others to move aside", async () => (await this.cpusetOf(sharing)) === others);
    await this.pods.delete("default", "pinned", { gracePeriodSeconds: 0 }, options);
    await waitFor("the others to come back", async () => (await this.cpusetOf(sharing))?.startsWith("0-"));
  }

  /** In its cgroup and with its score (a higher one needs no privilege), which its figures tell everybody, as this one lets everybody in. */
  private async keepsItsPlace(): Promise<void> {
    const pid = (await this.cgroups.read("memory", this.ownCgroup, "cgroup.procs"))?.trim();
    assert.equal(await readFile(`/proc/${pid}/oom_score_adj`, "utf8"), "500\n");
    const { status, text } = await this.ask("/stats/summary");
    const { node } = JSON.parse(text) as { node: { systemContainers: { name: string; memory?: object }[] } };
    const told = node.systemContainers.find(({ name }) => name === "kubelet");
    assert.deepEqual([status, told?.memory !== undefined], [200, true]);
  }

  private get ownCgroup(): string {
    return join(this.node.cgroupRoot, "own");
  }

  /** Of the kubelet's API, by a caller without credentials. */
  private async ask(path: string): Promise<{ status: number; text: string }> {
    const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
    const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
    return new Promise((resolve, reject) => {
      const request = get(
        { host: "127.0.0.1", port, path, rejectUnauthorized: false, agent: false },
        async (answer) => {
          const text = (await answer.setEncoding("utf8").toArray()).join("");
          resolve({ status: answer.statusCode ?? 0, text });
        },
      );
      request.on("error", reject);
    });
  }

  private async cpusetOf(pod: Pod): Promise<string | undefined> {
    const text = await this.cgroups.read("cpuset", join(this.cgroupOf(pod), containerId(pod)), "cpuset.cpus");
    return text?.trim();
  }

  private async hasWidgets(allocatable: string, capacity = "1"): Promise<void> {
    await waitFor(`${allocatable} healthy widgets`, async () => {
      const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
      return status?.allocatable?.[WIDGET] === allocatable && status.capacity?.[WIDGET] === capacity;
    });
  }

  private hasFailed(name: string): Promise<Pod> {
    return waitFor(`pod ${name} to fail`, async () => {
      const pod = await this.pods.get("default", name, options);
      return pod.status?.phase === "Failed" && pod;
    });
  }

  private async resize(name: string, resources: ResourceRequirements): Promise<void> {
    const body = { spec: { containers: [{ name: "c", resources }] } };
    await this.pods.patch("default", name, "strategic", body, { ...options, subresource: "resize" });
  }

  private isResized(name: string, resources: ResourceRequirements): Promise<Pod> {
    return waitFor(`pod ${name} to be resized`, async () => {
      const pod = await this.pods.get("default", name, options);
      const status = pod.status?.containerStatuses?.[0];
      const isOver = !pod.status?.conditions?.some(({ type }) => type.startsWith("PodResize"));
      const has = JSON.stringify(sorted(status?.resources)) === JSON.stringify(sorted(resources));
      const allocated = status?.allocatedResources?.cpu === resources.requests?.cpu;
      return isOver && has && allocated && status?.state?.running && pod;
    });
  }

  private async isPending(name: string, reason: string, message: RegExp): Promise<void> {
    const found = await waitFor(`the resize of ${name} to be ${reason}`, async () => {
      const pod = await this.pods.get("default", name, options);
      const condition = pod.status?.conditions?.find(({ type }) => type === "PodResizePending");
      return condition?.reason === reason && condition;
    });
    assert.match(found.message ?? "", message);
  }

  private async limitsOf(pod: Pod) {
    return this.readLimits(join(this.cgroupOf(pod), containerId(pod)));
  }

  private async podLimitsOf(pod: Pod) {
    return this.readLimits(this.cgroupOf(pod));
  }

  private cgroupOf(pod: Pod): string {
    const level = pod.status?.qosClass === "Guaranteed" ? "" : (pod.status?.qosClass?.toLowerCase() ?? "");
    return join(this.node.cgroupRoot, "kubepods", level, `pod${pod.metadata.uid}`);
  }

  private async readLimits(path: string): Promise<{ quota: number; memory: number }> {
    const v2 = this.cgroups.isUnified;
    const quota = await this.cgroups.read("cpu", path, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    const memory = await this.cgroups.read("memory", path, v2 ? "memory.max" : "memory.limit_in_bytes");
    const [amount] = quota?.split(" ") ?? [];
    return { quota: amount === "max" ? NO_QUOTA : Number(amount), memory: Number(memory) };
  }

  private async reasonsFor(name: string): Promise<(string | undefined)[]> {
    const { items } = await this.node.client.of(events).list({}, options);
    return items.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason }) => reason);
  }

  private async create(name: string, containers: NonNullable<Pod["spec"]>["containers"]): Promise<void> {
    const spec = { nodeName: NODE_NAME, terminationGracePeriodSeconds: 0, containers };
    await this.pods.create("default", { metadata: { name }, spec }, options);
  }
}

function sleeper(name: string, resources: ResourceRequirements) {
  return { name, image: BUSYBOX_IMAGE, command: ["sleep", "100000"], resources };
}

function amounts(cpu: string, memory: string): ResourceRequirements {
  return { requests: { cpu, memory }, limits: { cpu, memory } };
}

function sorted(resources: ResourceRequirements | undefined): unknown[] {
  const { requests = {}, limits = {} } = resources ?? {};
  return [requests.cpu, requests.memory, limits.cpu, limits.memory];
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
