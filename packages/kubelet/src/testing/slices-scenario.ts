// Pods in slices of the machine's own systemd, as node and kernel see them; slices.component.test.ts runs it in a namespace.
import assert from "node:assert/strict";
import { basename } from "node:path";
import { isNotFound } from "@skiff/api/errors.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod, ResourceRequirements } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import { cgroupNames } from "../cgroups/cgroup-names.ts";
import { milliCpuToShares, sharesToWeight } from "../cgroups/resources.ts";
import { SystemdSlices } from "../cgroups/systemd-slices.ts";
import { NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

const options = { signal: new AbortController().signal };
const names = cgroupNames("systemd");
const MIB = 1024 * 1024;

/** Rejects at the first step that goes wrong, with the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns, "systemd");
  const scenario = new Scenario(node, await CgroupFs.open(realClock));
  try {
    await scenario.run();
  } catch (error) {
    throw await node.explain(error);
  } finally {
    await node.stopKubelet("SIGTERM");
    await scenario.removeTheRoot();
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly files: CgroupFs;
  private readonly pods: ResourceClient<Pod>;
  /** The slice that is the kubelet's --cgroup-root. */
  private readonly root: string;
  private readonly kubepods: string;

  constructor(node: NodeUnderTest, files: CgroupFs) {
    this.node = node;
    this.files = files;
    this.pods = node.client.of(pods);
    this.root = names.child("/", basename(node.cgroupRoot));
    this.kubepods = names.child(this.root, "kubepods");
  }

  async run(): Promise<void> {
    this.node.startKubelet();
    await this.node.isReady();
    await this.node.furnish();
    await this.create("guaranteed", { limits: { cpu: "200m", memory: "64Mi" } });
    await this.create("burstable", {
      requests: { cpu: "300m", memory: "32Mi" },
      limits: { cpu: "500m", memory: "128Mi" },
    });
    await this.create("besteffort", {});
    const guaranteed = await this.node.podIsReady("guaranteed");
    const burstable = await this.node.podIsReady("burstable");
    const besteffort = await this.node.podIsReady("besteffort");
    await this.hasLimits(this.sliceOf("", guaranteed), 64, "200ms");
    await this.hasLimits(this.sliceOf("burstable", burstable), 128, "500ms");
    await this.weighsTheLevel();
    for (const pod of [burstable, besteffort]) await this.isAScope(pod);
    await this.resizes(burstable);
    await this.leavesNoSlice();
  }

  private sliceOf(level: string, pod: Pod): string {
    return names.child(names.child(this.kubepods, level), `pod${pod.metadata.uid}`);
  }

  /** By systemd's word and by the kernel's. */
  private async hasLimits(slice: string, mebibytes: number, cpuPerSecond: string): Promise<void> {
    const v2 = this.files.isUnified;
    const bytes = String(mebibytes * MIB);
    assert.equal(await property(slice, v2 ? "MemoryMax" : "MemoryLimit"), bytes);
    assert.equal(await property(slice, "CPUQuotaPerSecUSec"), cpuPerSecond);
    const inForce = await this.files.read("memory", slice, v2 ? "memory.max" : "memory.limit_in_bytes");
    assert.equal(inForce?.trim(), bytes);
    const quota = await this.files.read("cpu", slice, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    assert.equal(quota?.trim().split(" ")[0], String(Number.parseInt(cpuPerSecond, 10) * 100));
  }

  private async weighsTheLevel(): Promise<void> {
    const shares = milliCpuToShares(300);
    const burstable = names.child(this.kubepods, "burstable");
    const [wanted, told, file] = this.files.isUnified
      ? [sharesToWeight(shares), "CPUWeight", "cpu.weight"]
      : [shares, "CPUShares", "cpu.shares"];
    assert.equal(await property(burstable, told), String(wanted));
    assert.equal((await this.files.read("cpu", burstable, file))?.trim(), String(wanted));
  }

  private async isAScope(pod: Pod): Promise<void> {
    const level = pod.metadata.name;
    const path = names.container(this.sliceOf(level, pod), containerId(pod));
    assert.match((await this.files.read("pids", path, "cgroup.procs")) ?? "", /^\d+$/m);
  }

  /** In place; and systemd, reloaded, writes the new limits rather than the old ones. */
  private async resizes(before: Pod): Promise<void> {
    const body = { spec: { containers: [{ name: "c", resources: { limits: { memory: "160Mi" } } }] } };
    await this.pods.patch("default", "burstable", "strategic", body, { ...options, subresource: "resize" });
    await waitFor("the resize", async () => {
      const { status } = await this.pods.get("default", "burstable", options);
      const isOver = !status?.conditions?.some(({ type }) => type.startsWith("PodResize"));
      return isOver && status?.containerStatuses?.[0]?.resources?.limits?.memory === "160Mi";
    });
    const slice = this.sliceOf("burstable", before);
    await this.hasLimits(slice, 160, "500ms");
    await commandOutput("systemctl", ["daemon-reload"]);
    await this.hasLimits(slice, 160, "500ms");
    assert.equal(containerId(await this.node.podIsReady("burstable")), containerId(before));
  }

  private async leavesNoSlice(): Promise<void> {
    for (const name of ["guaranteed", "burstable", "besteffort"]) await this.pods.delete("default", name, {}, options);
    for (const name of ["guaranteed", "burstable", "besteffort"]) {
      await waitFor(`${name} to be gone`, () => this.pods.get("default", name, options).then(() => false, isNotFound));
    }
    await waitFor("no slice of a pod to be left", async () => {
      const units = await commandOutput("systemctl", ["list-units", "--all", "--plain", "--no-legend", "--type=slice"]);
      const mine = units.split("\n").filter((line) => line.includes(stem(this.root)));
      assert.ok(mine.some((line) => line.startsWith(basename(this.kubepods))));
      return !mine.some((line) => /-pod[0-9a-f_]+\.slice/.test(line));
    });
    for (const level of ["", "burstable", "besteffort"]) {
      const children = await this.files.children(names.child(this.kubepods, level));
      const left = [...children].filter((name) => name.includes("-pod"));
      assert.deepEqual(left, [], "a pod's cgroup is left");
    }
  }

  async removeTheRoot(): Promise<void> {
    await new SystemdSlices(this.files).remove(this.root);
  }

  private async create(name: string, resources: ResourceRequirements): Promise<void> {
    const container = { name: "c", image: BUSYBOX_IMAGE, command: ["sleep", "100000"], resources };
    await this.node.createPod(name, { containers: [container] });
  }
}

async function property(slice: string, name: string): Promise<string> {
  return (await commandOutput("systemctl", ["show", basename(slice), "-p", name, "--value"])).trim();
}

function stem(slice: string): string {
  return basename(slice, ".slice");
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
