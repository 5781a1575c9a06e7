// The resizer with its state files and the node's means.
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Admission } from "../admit-pod.ts";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { CpuQuotas } from "../cgroups/cpu-quotas.ts";
import type { PodCgroups } from "../cgroups/pod-cgroups.ts";
import { CheckpointFile } from "../checkpoints/checkpoint-file.ts";
import type { KubeletConfig } from "../config.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { PodEvents } from "../events/pod-events.ts";
import type { PodWorkers } from "../pod-workers.ts";
import { PodResizer } from "./pod-resizer.ts";
import { ResourceState } from "./resource-state.ts";

/** Parts of the kubelet that the resizer acts through. */
export interface ResizerParts {
  readonly config: KubeletConfig;
  readonly cri: Pick<CriClient, "updateContainerResources">;
  readonly cgroups: PodCgroups;
  readonly cgroupFs: Pick<CgroupFs, "read" | "isUnified">;
  readonly events: PodEvents;
  readonly log: Logger;
  readonly quotas: CpuQuotas | undefined;
  /** Made after this. */
  workers(): Pick<PodWorkers, "get" | "wake">;
  allocatable(): Readonly<Record<string, string>>;
  admit(pod: Readonly<Pod>): Admission;
}

/**
 * The two state files lie in the kubelet's root under upstream's names, so that a restarted kubelet knows what it had
 * granted.
 */
export function makeResizer(parts: ResizerParts): PodResizer {
  const { config, cri, cgroups, cgroupFs, log, workers } = parts;
  const { cpuManagerPolicy, memoryManagerPolicy } = config.settings;
  const state = (name: string) => {
    const report = (error: unknown) => log.error({ err: error, file: name }, "state of pod resources was not saved");
    return new ResourceState(new CheckpointFile(join(config["root-dir"], name), report));
  };
  return new PodResizer({
    allocated: state("allocated_pods_state"),
    actuated: state("actuated_pods_state"),
    events: parts.events,
    find: (uid) => workers().get(uid),
    wake: (uid) => workers().wake(uid),
    facts: () => ({
      allocatable: parts.allocatable(),
      cpuManagerPolicy,
      memoryManagerPolicy,
      isSwapping: config.settings["memorySwap.swapBehavior"] === "LimitedSwap" && cgroupFs.isUnified,
      admit: parts.admit,
    }),
    quotas: parts.quotas,
    setPodLimits: (pod, limits) => cgroups.update(pod, limits),
    updateContainer: (id, resources) => cri.updateContainerResources(id, resources),
    async memoryUsage(pod: Readonly<Pod>, containerId) {
      const file = cgroupFs.isUnified ? "memory.current" : "memory.usage_in_bytes";
      const path = containerId === undefined ? cgroups.path(pod) : cgroups.containerPath(pod, containerId);
      return Number((await cgroupFs.read("memory", path, file)) ?? 0);
    },
  });
}
