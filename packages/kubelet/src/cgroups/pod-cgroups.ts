// The tree of cgroups that the kubelet keeps: kubepods, one level per quality of service, one cgroup per pod.
import { join } from "node:path/posix";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { CgroupFs } from "./cgroup-fs.ts";
import type { CgroupLimits } from "./resources.ts";
import { milliCpuToShares, podCgroupLimits } from "./resources.ts";

/** What the node's pods together may have, and each alone. */
export interface PodCgroupsOptions {
  /** Under which `kubepods` lies; "/" for the machine's root. */
  readonly root: string;
  readonly milliCpuCapacity: number;
  /** What all pods together may hold; undefined for no limit. */
  readonly memoryBytes?: number | undefined;
  readonly pids?: number | undefined;
  /** Those that the kernel limits. */
  readonly hugePageSizes?: readonly string[];
  /** Processes per pod; 0 or less for no limit. */
  readonly podPidsLimit: number;
}

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
  /** Those made since the kubelet's start. */
  private readonly made = new Set<string>();

  constructor(options: PodCgroupsOptions, fs: PodCgroups["fs"]) {
    this.options = options;
    this.fs = fs;
  }

  /** The cgroup of the pod, as the runtime takes it for its parent. */
  path(pod: Pod): string {
    const qos = podQos(pod);
    const level = qos === "Guaranteed" ? "" : qos.toLowerCase();
    return join(this.kubepods, level, `pod${pod.metadata.uid}`);
  }

  get kubepods(): string {
    return join("/", this.options.root, "kubepods");
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
    await this.fs.create(this.kubepods, limits);
    // 2 shares are the kernel's least.
    await this.fs.create(join(this.kubepods, "burstable"), { cpuShares: 2 });
    await this.fs.create(join(this.kubepods, "besteffort"), { cpuShares: 2 });
  }

  /** Returns the path. Cheap for a pod that has its cgroup. */
  async create(pod: Pod): Promise<string> {
    const path = this.path(pod);
    // Dozens of file operations, and nobody but the kubelet removes it.
    if (this.made.has(path)) return path;
    const { podPidsLimit, hugePageSizes } = this.options;
    await this.fs.create(path, podCgroupLimits(pod, podPidsLimit, hugePageSizes));
    this.made.add(path);
    return path;
  }

  /** Changes some limits of a pod that has its cgroup. */
  async update(pod: Pod, limits: CgroupLimits): Promise<void> {
    await this.fs.apply(this.path(pod), limits);
  }

  /** Gives the burstable level the sum of what its pods ask for. */
  async rebalance(pods: readonly Pod[]): Promise<void> {
    const burstable = pods.filter((pod) => podQos(pod) === "Burstable");
    const shares = milliCpuToShares(burstable.reduce((sum, pod) => sum + (podRequests(pod).cpu ?? 0), 0));
    if (shares === this.burstableShares) return;
    await this.fs.apply(join(this.kubepods, "burstable"), { cpuShares: shares });
    this.burstableShares = shares;
  }

  async remove(uid: string): Promise<void> {
    const paths = LEVELS.map((level) => join(this.kubepods, level, `pod${uid}`));
    const known = paths.find((path) => this.made.delete(path));
    // One that an earlier kubelet made may lie on any level.
    for (const path of known ? [known] : paths) await this.fs.remove(path);
  }

  /** UIDs of the pods that have a cgroup, in `any` hierarchy or in the `first`, which costs little. */
  async list(where: "any" | "first" = "any"): Promise<Set<string>> {
    const uids = new Set<string>();
    for (const level of LEVELS) {
      for (const name of await this.fs.children(join(this.kubepods, level), where)) {
        if (name.startsWith("pod")) uids.add(name.slice("pod".length));
      }
    }
    return uids;
  }
}
