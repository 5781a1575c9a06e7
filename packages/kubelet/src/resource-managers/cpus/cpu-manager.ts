// The static CPU policy: containers of guaranteed pods with whole processors get them for themselves, the others share the rest.
import { quantityMilliValue } from "@skiff/api/quantity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { hasPodLevelResources, isSidecar } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { CheckpointFile } from "../../checkpoints/checkpoint-file.ts";
import { AllocationError } from "../admission.ts";
import type { ResourceProvider } from "../resource-provider.ts";
import type { Cpu } from "../topology/machine-topology.ts";
import type { Hint, HintsByResource } from "../topology/merge-hints.ts";
import type { NumaMask } from "../topology/numa-mask.ts";
import { countOf, subsetsOf } from "../topology/numa-mask.ts";
import { takeDistributed, takePacked } from "./assign-cpus.ts";
import type { CpuSet } from "./cpu-set.ts";
import { formatCpuSet } from "./cpu-set.ts";
import { decodeCpuState, encodeCpuState } from "./cpu-state.ts";

/** `fullPcpusOnly` gives whole cores only; `distributeAcrossNuma` spreads evenly where one node is not enough. */
export interface CpuManagerOptions {
  readonly cpus: readonly Cpu[];
  /** Never anybody's own. */
  readonly reserved: CpuSet;
  readonly fullPcpusOnly: boolean;
  readonly distributeAcrossNuma: boolean;
  /** As few last caches as may be, lest a container's processors wait for each other's memory. */
  readonly alignByCache?: boolean;
  /** The reserved ones are not shared either. */
  readonly strictReservation: boolean;
}

export interface CpuManagerDeps {
  readonly file: Pick<CheckpointFile, "read" | "save">;
  /** The containers' processors have changed. */
  onChange(): void;
}

/**
 * A processor is shared, reserved, or one container's own. Sharing containers run on reserved ones too, unless the
 * reservation is strict; own ones are never reserved ones.
 */
export class CpuManager implements ResourceProvider {
  private readonly options: CpuManagerOptions;
  private readonly deps: CpuManagerDeps;
  private shared: Set<number>;
  private readonly assignments = new Map<string, Map<string, CpuSet>>();

  constructor(options: CpuManagerOptions, deps: CpuManagerDeps) {
    this.options = options;
    this.deps = deps;
    this.shared = new Set(this.pool.map(({ id }) => id));
  }

  /** Throws upstream's words where the state does not fit this machine or this configuration. */
  async restore(): Promise<void> {
    const text = await this.deps.file.read();
    if (text === undefined) return this.save();
    const { shared, assignments } = decodeCpuState(text, "static");
    if (shared.size === 0 && assignments.size === 0) return this.save();
    this.shared = new Set(shared);
    for (const [uid, containers] of assignments) this.assignments.set(uid, new Map(containers));
    this.checkState();
  }

  /**
   * Empty where the container shares. One that has its processors offers just those, so a second admission changes
   * nothing.
   */
  hints(pod: Readonly<Pod>, container: Container): HintsByResource {
    const wanted = exclusiveCpus(pod, container);
    if (wanted === 0) return new Map();
    const own = this.assignments.get(uidOf(pod))?.get(container.name);
    if (own) return new Map([["cpu", own.size === wanted ? this.hintsFrom(own, new Set(), wanted) : []]]);
    return new Map([["cpu", this.hintsFrom(this.assignable, this.reusable(pod, container), wanted)]]);
  }

  podHints(pod: Readonly<Pod>): HintsByResource {
    const wanted = podExclusiveCpus(pod);
    if (wanted === 0) return new Map();
    const own = [...(this.assignments.get(uidOf(pod))?.values() ?? [])].flatMap((cpus) => [...cpus]);
    if (own.length > 0) return new Map([["cpu", this.hintsFrom(new Set(own), new Set(), wanted)]]);
    return new Map([["cpu", this.hintsFrom(this.assignable, new Set(), wanted)]]);
  }

  /** Does nothing for a container that shares, or that has its processors. Throws where there are too few. */
  allocate(pod: Readonly<Pod>, container: Container, affinity: NumaMask | undefined): void {
    const wanted = exclusiveCpus(pod, container);
    const uid = uidOf(pod);
    if (wanted === 0 || this.assignments.get(uid)?.has(container.name)) return;
    if (this.options.fullPcpusOnly) this.refuseHalfCores(wanted);
    const reusable = this.reusable(pod, container);
    const available = new Set([...this.assignable, ...reusable]);
    if (available.size < wanted) {
      throw new Error(`not enough cpus available to satisfy request: requested=${wanted}, available=${available.size}`);
    }
    const taken = this.take(available, wanted, affinity);
    for (const id of taken) this.shared.delete(id);
    const containers = this.assignments.get(uid) ?? new Map<string, CpuSet>();
    this.assignments.set(uid, containers.set(container.name, taken));
    this.changed();
  }

  release(podUid: string): void {
    const containers = this.assignments.get(podUid);
    if (!containers) return;
    this.assignments.delete(podUid);
    for (const cpus of containers.values()) for (const id of cpus) this.shared.add(id);
    this.changed();
  }

  /** The processors that the container runs on. */
  cpusOf(podUid: string, container: string): string {
    return formatCpuSet(this.exclusiveOf(podUid, container) ?? this.shared);
  }

  /** Undefined where the container shares. */
  exclusiveOf(podUid: string, container: string): CpuSet | undefined {
    return this.assignments.get(podUid)?.get(container);
  }

  /** Whether any container of the pod has some for itself. */
  hasExclusive(podUid: string): boolean {
    return this.assignments.has(podUid);
  }

  /** Those that containers can get for themselves, whoever has them now. */
  get allocatable(): CpuSet {
    return new Set(this.options.cpus.map(({ id }) => id).filter((id) => !this.options.reserved.has(id)));
  }

  private get pool(): readonly Cpu[] {
    const { cpus, reserved, strictReservation } = this.options;
    return strictReservation ? cpus.filter(({ id }) => !reserved.has(id)) : cpus;
  }

  private get assignable(): Set<number> {
    return new Set([...this.shared].filter((id) => !this.options.reserved.has(id)));
  }

  private get threadsPerCore(): number {
    const { cpus } = this.options;
    return Math.max(1, Math.round(cpus.length / new Set(cpus.map(({ core }) => core)).size));
  }

  /**
   * The option full-pcpus-only: hyperthreads of one core never go to two containers, which protects against noisy
   * neighbours.
   */
  private refuseHalfCores(wanted: number): void {
    const threads = this.threadsPerCore;
    if (wanted % threads !== 0) {
      const detail = `requested ${wanted} cpus not multiple cpus per core = ${threads}`;
      throw new AllocationError("SMTAlignmentError", `SMT Alignment Error: ${detail}`);
    }
    const free = this.assignable;
    const byCore = Map.groupBy(this.options.cpus, ({ core }) => core);
    const whole = [...byCore.values()].filter((group) => group.every(({ id }) => free.has(id))).flat().length;
    if (whole >= wanted) return;
    const detail = `not enough free physical CPUs: available physical CPUs = ${whole}, requested CPUs = ${wanted}, CPUs per core = ${threads}`;
    throw new AllocationError("SMTAlignmentError", `SMT Alignment Error: ${detail}`);
  }

  /** From the wanted nodes as far as they go, then from anywhere. */
  private take(available: CpuSet, wanted: number, affinity: NumaMask | undefined): Set<number> {
    const taken = new Set<number>();
    if (affinity !== undefined) {
      const near = this.options.cpus.filter(({ id, node }) => available.has(id) && (affinity >> node) & 1);
      const aligned = new Set(near.map(({ id }) => id));
      for (const id of this.pick(aligned, Math.min(aligned.size, wanted))) taken.add(id);
    }
    const rest = new Set([...available].filter((id) => !taken.has(id)));
    for (const id of this.pick(rest, wanted - taken.size)) taken.add(id);
    return taken;
  }

  private pick(available: CpuSet, count: number): Set<number> {
    const { cpus, distributeAcrossNuma, fullPcpusOnly, alignByCache } = this.options;
    if (!distributeAcrossNuma) return takePacked(cpus, available, count, alignByCache);
    return takeDistributed(cpus, available, count, fullPcpusOnly ? this.threadsPerCore : 1, alignByCache);
  }

  /** What init containers have is free again for the regular ones. */
  private reusable(pod: Readonly<Pod>, container: Container): Set<number> {
    const held = (containers: readonly Container[]) =>
      containers.flatMap(({ name }) => [...(this.exclusiveOf(uidOf(pod), name) ?? [])]);
    const inits = pod.spec.initContainers ?? [];
    const reusable = new Set(held(inits.filter((init) => !isSidecar(init) && init.name !== container.name)));
    for (const id of held([...inits.filter(isSidecar), ...pod.spec.containers])) reusable.delete(id);
    return reusable;
  }

  private hintsFrom(available: CpuSet, reusable: CpuSet, wanted: number): Hint[] {
    const { cpus } = this.options;
    const nodes = [...new Set(cpus.map(({ node }) => node))].sort((a, b) => a - b);
    let fewest = nodes.length;
    const hints: { nodes: NumaMask; preferred: boolean }[] = [];
    for (const mask of subsetsOf(nodes)) {
      const inside = cpus.filter(({ node }) => (mask >> node) & 1).map(({ id }) => id);
      if (inside.length >= wanted) fewest = Math.min(fewest, countOf(mask));
      const reused = inside.filter((id) => reusable.has(id)).length;
      // What the pod's init containers held is to be used again first, so a set of nodes without it does not count.
      if (reused < reusable.size) continue;
      const fresh = inside.filter((id) => available.has(id) && !reusable.has(id)).length;
      if (reused + fresh >= wanted) hints.push({ nodes: mask, preferred: false });
    }
    return hints.map((hint) => ({ ...hint, preferred: countOf(hint.nodes) === fewest }));
  }

  private checkState(): void {
    const { reserved, strictReservation } = this.options;
    const shared = formatCpuSet(this.shared);
    if (!strictReservation && [...reserved].some((id) => !this.shared.has(id))) {
      throw new Error(`not all reserved cpus: "${formatCpuSet(reserved)}" are present in defaultCpuSet: "${shared}"`);
    }
    const known = new Set(this.shared);
    for (const [uid, containers] of this.assignments) {
      for (const [name, cpus] of containers) {
        if ([...cpus].some((id) => this.shared.has(id))) {
          throw new Error(
            `pod: ${uid}, container: ${name} cpuset: "${formatCpuSet(cpus)}" overlaps with default cpuset "${shared}"`,
          );
        }
        for (const id of cpus) known.add(id);
      }
    }
    const expected = formatCpuSet(this.pool.map(({ id }) => id));
    if (formatCpuSet(known) !== expected) {
      throw new Error(
        `current set of available CPUs "${expected}" doesn't match with CPUs in state "${formatCpuSet(known)}"`,
      );
    }
  }

  private changed(): void {
    this.save();
    this.deps.onChange();
  }

  private save(): void {
    this.deps.file.save(encodeCpuState("static", { shared: this.shared, assignments: this.assignments }));
  }
}

/** Whole processors of a guaranteed pod's container; 0 where it shares, as all do whose pod is sized as a whole. */
function exclusiveCpus(pod: Readonly<Pod>, { resources }: Container): number {
  if (podQos(pod) !== "Guaranteed" || hasPodLevelResources(pod)) return 0;
  const milli = quantityMilliValue(resources?.requests?.cpu ?? resources?.limits?.cpu ?? "0");
  return milli % 1000 === 0 ? milli / 1000 : 0;
}

/**
 * Init containers run one after the other before the rest, so the largest of them counts against the sum of the
 * others.
 */
function podExclusiveCpus(pod: Readonly<Pod>): number {
  const inits = pod.spec.initContainers ?? [];
  const sum = (containers: readonly Container[]) =>
    containers.reduce((total, container) => total + exclusiveCpus(pod, container), 0);
  const lasting = sum([...inits.filter(isSidecar), ...pod.spec.containers]);
  return Math.max(lasting, ...inits.filter((init) => !isSidecar(init)).map((init) => exclusiveCpus(pod, init)));
}

function uidOf(pod: Readonly<Pod>): string {
  return pod.metadata.uid ?? "";
}
