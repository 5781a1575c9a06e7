// The tree of cgroups that the kubelet keeps: kubepods, one level per quality of service, one cgroup per pod.
import { basename, join } from "node:path/posix";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { CgroupFs } from "./cgroup-fs.ts";
import type { CgroupNames } from "./cgroup-names.ts";
import type { CgroupLimits, PodLimitOptions } from "./resources.ts";
import { milliCpuToShares, podCgroupLimits } from "./resources.ts";

/** What the node's pods together may have, and each alone. */
export interface PodCgroupsOptions extends PodLimitOptions {
  /** Under which `kubepods` lies; "/" for the machine's root. */
  readonly root: string;
  readonly names: CgroupNames;
  readonly milliCpuCapacity: number;
  /** What all pods together may hold; undefined for no limit. */
  readonly memoryBytes?: number | undefined;
  readonly pids?: number | undefined;
}

/** The cgroup of one container or sandbox. */
export interface PodContainerCgroup {
  /** The pod's. */
  readonly uid: string;
  readonly id: string;
  readonly path: string;
}

/** Whichever driver makes the cgroup, its name holds the runtime's id. */
const CONTAINER_ID = /[0-9a-f]{64}/;

/** Where a pod's cgroup may lie below kubepods; "" is that of Guaranteed pods. */
const LEVELS = ["", "burstable", "besteffort"] as const;

/**
 * Guaranteed pods lie in kubepods itself, Burstable and BestEffort ones in a level of their own, so that when CPU is
 * short the levels compete as a whole: BestEffort gets next to nothing.
 */
export class PodCgroups {
  private readonly fs: Pick<CgroupFs, "create" | "apply" | "remove" | "children">;
  private readonly options: PodCgroupsOptions;
  private burstableShares = 0;
  /** Whether an earlier kubelet made the levels, for pods of which this one may not have heard yet. */
  private isInherited = false;
  /** Those made since the kubelet's start, with what they ask for of the burstable level in thousandths of a CPU. */
  private readonly made = new Map<string, number>();

  constructor(options: PodCgroupsOptions, fs: PodCgroups["fs"]) {
    this.options = options;
    this.fs = fs;
  }

  path(pod: Pod): string {
    const qos = podQos(pod);
    return this.podPath(qos === "Guaranteed" ? "" : qos.toLowerCase(), pod.metadata.uid ?? "");
  }

  /** The cgroup of a container or sandbox of the pod. */
  containerPath(pod: Pod, id: string): string {
    return this.options.names.container(this.path(pod), id);
  }

  get kubepods(): string {
    const { names, root } = this.options;
    return [...root.split("/").filter(Boolean), "kubepods"].reduce(names.child, "/");
  }

  /**
   * The three levels, with what the node does not reserve as the limits of kubepods. Without these, pods together
   * could starve the system's own daemons.
   */
  async setUp(): Promise<void> {
    const { milliCpuCapacity, memoryBytes, pids } = this.options;
    const limits = {
      cpuShares: milliCpuToShares(milliCpuCapacity),
      ...(memoryBytes ? { memoryBytes } : {}),
      ...(pids ? { pids } : {}),
    };
    const burstable = this.level("burstable");
    this.isInherited = (await this.fs.children(this.kubepods)).has(basename(burstable));
    await this.fs.create(this.kubepods, limits);
    // 2 shares are the kernel's least. Running pods keep what they have: the API may be away for long.
    await this.fs.create(burstable, this.isInherited ? {} : { cpuShares: 2 });
    await this.fs.create(this.level("besteffort"), { cpuShares: 2 });
  }

  /** Returns it as the runtime takes it for the pod's parent. Cheap for a pod that has its cgroup. */
  async create(pod: Pod): Promise<string> {
    const path = this.path(pod);
    const parent = this.options.names.forRuntime(path);
    // Dozens of file operations, and nobody but the kubelet removes it.
    if (this.made.has(path)) return parent;
    await this.fs.create(path, podCgroupLimits(pod, this.options));
    this.made.set(path, burstableRequest(pod));
    // At once, as without the API no round of housekeeping comes.
    const shares = milliCpuToShares([...this.made.values()].reduce((sum, milli) => sum + milli, 0));
    if (!this.isInherited && shares > this.burstableShares) await this.weigh(shares);
    return parent;
  }

  /** Changes some limits of a pod that has its cgroup. */
  async update(pod: Pod, limits: CgroupLimits): Promise<void> {
    await this.fs.apply(this.path(pod), limits);
  }

  /** Gives the burstable level the sum of what its pods ask for. `pods` are all of the node. */
  async rebalance(pods: readonly Pod[]): Promise<void> {
    const shares = milliCpuToShares(pods.reduce((sum, pod) => sum + burstableRequest(pod), 0));
    if (shares !== this.burstableShares) await this.weigh(shares);
  }

  async remove(uid: string): Promise<void> {
    const paths = LEVELS.map((level) => this.podPath(level, uid));
    const known = paths.find((path) => this.made.delete(path));
    // One that an earlier kubelet made may lie on any level.
    for (const path of known ? [known] : paths) await this.fs.remove(path);
  }

  /** UIDs of the pods that have a cgroup, in `any` hierarchy or in the `first`, which costs little. */
  async list(where: "any" | "first" = "any"): Promise<Set<string>> {
    const uids = new Set<string>();
    for (const level of LEVELS) {
      const path = this.level(level);
      for (const folder of await this.fs.children(path, where)) {
        const word = this.options.names.word(path, folder);
        if (word?.startsWith("pod")) uids.add(word.slice("pod".length));
      }
    }
    return uids;
  }

  /** What lies in the pods' cgroups and is called as the runtime calls containers and sandboxes; few directories are read. */
  async containers(): Promise<PodContainerCgroup[]> {
    const { names } = this.options;
    const found: PodContainerCgroup[] = [];
    for (const level of LEVELS.map((name) => this.level(name))) {
      for (const folder of await this.fs.children(level, "first")) {
        const word = names.word(level, folder);
        if (!word?.startsWith("pod")) continue;
        const pod = join(level, folder);
        for (const name of await this.fs.children(pod, "first")) {
          const id = CONTAINER_ID.exec(name)?.[0];
          if (id) found.push({ uid: word.slice("pod".length), id, path: join(pod, name) });
        }
      }
    }
    return found;
  }

  /** Kills all in it. */
  async removeContainer(path: string): Promise<void> {
    await this.fs.remove(path);
  }

  private async weigh(shares: number): Promise<void> {
    await this.fs.apply(this.level("burstable"), { cpuShares: shares });
    this.burstableShares = shares;
  }

  private level(name: string): string {
    return this.options.names.child(this.kubepods, name);
  }

  private podPath(level: string, uid: string): string {
    return this.options.names.child(this.level(level), `pod${uid}`);
  }
}

/** Thousandths of a CPU; 0 for pods of the other levels. */
function burstableRequest(pod: Pod): number {
  return podQos(pod) === "Burstable" ? (podRequests(pod).cpu ?? 0) : 0;
}
