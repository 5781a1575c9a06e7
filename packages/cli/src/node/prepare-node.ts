// Makes a node's folders and its containerd configuration, and finds out what the machine lets containers do.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@skiff/component-base/command.ts";
import { writeFileWhole } from "../cluster-record.ts";
import { SANDBOX_IMAGE } from "../images/builtin-images.ts";
import type { NodeLayout } from "../layout.ts";
import { makePodsParent } from "./cgroups.ts";
import { renderContainerdConfig } from "./containerd-config.ts";
import type { ContainerdVersion } from "./containerd-version.ts";

/** Where Debian and most others put the CNI plugins. */
export const CNI_BIN_DIRS = ["/usr/lib/cni", "/opt/cni/bin"] as const;

/** What all nodes of one machine have in common. */
export interface NodeMachine {
  readonly snapshotter: "overlayfs" | "native";
  readonly cniBinDir: string;
  readonly containerd: ContainerdVersion;
}

/** Safe to repeat; the configuration is written anew. */
export function prepareNode(node: NodeLayout, { snapshotter, cniBinDir, containerd }: NodeMachine): void {
  for (const folder of [
    node.containerdRoot,
    node.containerdOpt,
    node.kubeletRoot,
    node.podLogs,
    node.cniConf,
    node.cniData,
  ]) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
  }
  mkdirSync(node.containerdState, { recursive: true });
  makePodsParent(node.cgroup);
  const config = renderContainerdConfig({
    root: node.containerdRoot,
    state: node.containerdState,
    socket: node.containerdSocket,
    opt: node.containerdOpt,
    cniConfDir: node.cniConf,
    cniBinDir,
    sandboxImage: SANDBOX_IMAGE,
    snapshotter,
    restrictOomScore: !maySetResources(),
    version: containerd,
  });
  writeFileWhole(node.containerdConfig, config, 0o644);
}

/** What this machine cannot do, and what is lost by it. */
export function machineLosses(snapshotter: "overlayfs" | "native"): string[] {
  const losses: string[] = [];
  if (snapshotter === "native") {
    losses.push(
      "no overlay file system can be mounted in the state folder: every container gets a full copy of its image",
    );
  }
  if (!maySetResources()) {
    losses.push("CAP_SYS_RESOURCE is missing here: containers keep their OOM scores, and privileged ones cannot start");
  }
  return losses;
}

/** Root in a container may lack it. */
function maySetResources(): boolean {
  return hasCapability(readFileSync("/proc/self/status", "utf8"), CAP_SYS_RESOURCE);
}

/** Its bit in the kernel's masks. */
const CAP_SYS_RESOURCE = 24;

/** Whether `/proc/self/status` shows a capability as effective. */
export function hasCapability(status: string, bit: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return (BigInt(`0x${mask}`) >> BigInt(bit)) % 2n === 1n;
}

/** Tries an overlay mount where the images will lie: some file systems and kernels cannot carry one. */
export async function pickSnapshotter(state: string): Promise<"overlayfs" | "native"> {
  mkdirSync(state, { recursive: true });
  const scratch = mkdtempSync(join(state, "overlay-"));
  const folder = (name: string) => join(scratch, name);
  for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(folder(name));
  try {
    const options = `lowerdir=${folder("lower")},upperdir=${folder("upper")},workdir=${folder("work")}`;
    const { code } = await runCommand("mount", ["-t", "overlay", "overlay", "-o", options, folder("merged")]);
    if (code !== 0) return "native";
    await runCommand("umount", [folder("merged")]);
    return "overlayfs";
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
