// A machine with a swap device: who may use how much of it under either behaviour, and what the figures say.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import type { Node, Pod } from "@skiff/api/types.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { PodBed } from "./pod-bed.ts";

const MIB = 2 ** 20;
/** By its size the disk to swap on is known from others. */
const DISK_BYTES = 1024 * MIB;
const burstable = { requests: { memory: "1Gi" }, limits: { memory: "3Gi" } };

export default (netns: string) => PodBed.run(netns, [refusesToStart, sharesOut, swaps, keepsSwapAway]);

async function refusesToStart(bed: PodBed): Promise<void> {
  const device = await swapDisk();
  await commandOutput("mkswap", [device]);
  await commandOutput("swapon", [device]);
  bed.node.startKubelet("--fail-swap-on=true");
  await waitFor("the kubelet to end", () => !bed.node.kubeletRuns);
  const words = "running with swap on is not supported, please disable swap or set --fail-swap-on flag to false";
  assert.match(bed.node.kubeletLog, new RegExp(`${words}. /proc/swaps contained: \\[.*${device}`));
}

/** By the part of the node's memory that a container asks for. */
async function sharesOut(bed: PodBed): Promise<void> {
  const node = await bed.kubelet("--config", await bed.configure({ memorySwap: { swapBehavior: "LimitedSwap" } }));
  const memory = Number.parseInt(node.status?.capacity?.memory ?? "", 10) * 1024;
  const share = Math.floor((1024 * MIB * capacityOf(node)) / memory);
  await bed.create("burstable", { resources: burstable });
  await bed.create("equal", { resources: { limits: { memory: "64Mi" } } }, {}, {}, [{ name: "d" }]);
  await bed.create("guaranteed", { resources: { limits: { memory: "64Mi", cpu: "1" } } });
  await bed.create("besteffort", {});
  const limit = async (name: string) => bed.containerFile(await bed.ready(name), "memory.swap.max");
  // The kernel keeps whole pages.
  assert.equal(await limit("burstable"), String(share - (share % 4096)));
  for (const name of ["equal", "guaranteed", "besteffort"]) assert.equal(await limit(name), "0", name);
  await bed.remove("equal", "guaranteed", "besteffort");
}

/** A container that holds more than the kernel lets it keep in memory has the rest in swap. */
async function swaps(bed: PodBed): Promise<void> {
  await bed.remove("burstable");
  const resources = { requests: { memory: "512Mi" }, limits: { memory: "513Mi" } };
  // Pages of a tmpfs are swapped like any other.
  const volumeMounts = [{ name: "m", mountPath: "/m" }];
  const spec = { volumes: [{ name: "m", emptyDir: { medium: "Memory" } }] };
  await bed.create("swapping", { resources, volumeMounts }, spec);
  const pod = await bed.ready("swapping");
  assert.match(await bed.sh(pod, "busybox dd if=/dev/zero of=/m/file bs=1M count=64"), /64\+0 records out/);
  await bed.reclaim(pod, 64 * MIB);
  const held = Number(await bed.containerFile(pod, "memory.swap.current"));
  assert.ok(held > 16 * MIB, `${held} bytes are in swap, of ${await bed.containerFile(pod, "memory.stat")}`);
  const limit = Number(await bed.containerFile(pod, "memory.swap.max"));
  const summary = JSON.parse(await bed.ask("/stats/summary")) as Summary;
  const { swap } = summary.node;
  assert.ok(swap.swapUsageBytes >= held, `the node has ${swap.swapUsageBytes} of ${held} bytes in swap`);
  assert.equal(swap.swapUsageBytes + swap.swapAvailableBytes, capacityOf(await bed.nodeIs("known", () => true)));
  const told = summary.pods.find(({ podRef }) => podRef.name === "swapping");
  assert.equal(told?.containers[0]?.swap.swapUsageBytes, held);
  assert.equal(told?.containers[0]?.swap.swapAvailableBytes, limit - held);
  assert.ok((told?.swap.swapUsageBytes ?? 0) >= held);
  const metrics = await bed.ask("/metrics/resource");
  const labels = `{container="c",namespace="default",pod="swapping"}`;
  const value = (name: string) =>
    Number(
      metrics
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.split(" ")[1],
    );
  assert.equal(value(`container_swap_usage_bytes${labels}`), held);
  assert.equal(value(`container_swap_limit_bytes${labels}`), limit);
  assert.ok(value("node_swap_usage_bytes") >= held);
  assert.ok(value(`pod_swap_usage_bytes{namespace="default",pod="swapping"}`) >= held);
}

/** The next kubelet may say otherwise; what runs keeps what it has. */
async function keepsSwapAway(bed: PodBed): Promise<void> {
  await bed.remove("swapping");
  await bed.kubelet();
  await bed.create("later", { resources: burstable });
  const pod: Pod = await bed.ready("later");
  assert.equal(await bed.containerFile(pod, "memory.swap.max"), "0");
  await bed.node.stopKubelet("SIGTERM");
  await commandOutput("swapoff", [await swapDisk()]);
}

async function swapDisk(): Promise<string> {
  for (const name of await readdir("/sys/block")) {
    // In sectors of 512 bytes, whatever the disk's own are.
    if (Number(await readFile(`/sys/block/${name}/size`, "utf8")) * 512 === DISK_BYTES) return `/dev/${name}`;
  }
  throw new Error("this machine has no disk of 1 GiB to swap on");
}

interface Swap {
  readonly swap: { readonly swapUsageBytes: number; readonly swapAvailableBytes: number };
}

interface Summary {
  readonly node: Swap;
  readonly pods: readonly (Swap & {
    readonly podRef: { readonly name: string };
    readonly containers: readonly Swap[];
  })[];
}

function capacityOf({ status }: Node): number {
  return Number(status?.nodeInfo?.swap?.capacity);
}
