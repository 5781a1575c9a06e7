// The order in which pod and containers get their new limits, so that none is ever below what it contains. Pure.
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { containerLimit } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod, ResourceRequirements } from "@skiff/api/types.ts";
import type { CpuQuotas } from "../cgroups/cpu-quotas.ts";
import { QUOTAS_FOR_ALL } from "../cgroups/cpu-quotas.ts";
import type { CgroupLimits } from "../cgroups/resources.ts";
import { containerCpu, podCgroupLimits } from "../cgroups/resources.ts";
import type { LinuxContainerResources } from "../cri/types.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { latestContainer } from "../runtime/runtime-pod.ts";
import { resizableContainers, sameResources, withAllocation } from "./allocated-pod.ts";
import type { PodAllocation } from "./resource-state.ts";

/** One write: of the pod's own cgroup, or of a container through the runtime. */
export type ResizeStep =
  | { readonly kind: "pod"; readonly limits: CgroupLimits }
  | {
      readonly kind: "container";
      readonly name: string;
      readonly id: string;
      readonly resources: LinuxContainerResources;
    };

/** Steps are carried out in their order; one that fails leaves a state in which every limit still holds. */
export interface ResizePlan {
  readonly steps: readonly ResizeStep[];
  /** Memory limits that shrink: below what is in use they would kill. Without a name it is the pod's own. */
  readonly shrinking: readonly Shrinking[];
}

/** `id` is the runtime's. */
export interface Shrinking {
  readonly container?: { readonly name: string; readonly id: string };
  readonly memoryBytes: number;
}

/** `pod` as granted; `actuated` is what it and its containers have. */
export function planResize(
  pod: Readonly<Pod>,
  runtime: RuntimePod,
  actuated: PodAllocation,
  quotas: CpuQuotas = QUOTAS_FOR_ALL,
): ResizePlan {
  const current = withAllocation(pod, actuated);
  const options = { podPidsLimit: 0, quotas };
  const from = podCgroupLimits(current, options);
  const to = podCgroupLimits(pod, options);
  const befores = new Map(resizableContainers(current).map((container) => [container.name, container]));
  const changed = resizableContainers(pod).flatMap((container): Change[] => {
    const running = latestContainer(runtime, container.name);
    const before = befores.get(container.name);
    if (running?.state !== "running" || !before) return [];
    return [{ container, id: running.id, from: levelsOf(current, before), to: levelsOf(pod, container) }];
  });
  // Memory before CPU, as upstream.
  const memory = inOrder(changed, ({ memoryLimit }) => memoryLimit);
  const cpu = inOrder(changed, ({ cpuLevel }) => cpuLevel);
  const shrinking = memory.filter((change) => isBelow(change.to.memoryLimit, change.from.memoryLimit));
  return {
    steps: [
      ...around(
        pick(from, ["memoryBytes"]),
        pick(to, ["memoryBytes"]),
        memory.flatMap(({ container, id, to: { memoryLimit } }) => {
          return memoryLimit > 0 ? [step(container, id, { memoryLimitInBytes: memoryLimit })] : [];
        }),
      ),
      ...around(
        pick(from, ["cpuQuotaUs", "cpuShares"]),
        pick(to, ["cpuQuotaUs", "cpuShares"]),
        cpu.map(({ container, id }) => step(container, id, containerCpu(pod, container, quotas))),
      ),
    ],
    shrinking: [
      ...(isBelow(to.memoryBytes ?? 0, from.memoryBytes ?? 0) ? [{ memoryBytes: to.memoryBytes ?? 0 }] : []),
      ...shrinking.map(({ container: { name }, id, to: { memoryLimit } }) => ({
        container: { name, id },
        memoryBytes: memoryLimit,
      })),
    ],
  };
}

/** What the kernel is told of one container; what the pod as a whole is limited to is part of it. */
interface Levels {
  /** Bytes; 0 for no limit. */
  readonly memoryLimit: number;
  /** Limits decide, and requests where limits are alike: one number that sorts both. */
  readonly cpuLevel: number;
}

interface Change {
  readonly container: Container;
  readonly id: string;
  readonly from: Levels;
  readonly to: Levels;
}

function levelsOf(pod: Readonly<Pod>, container: Container): Levels {
  const memory = containerLimit(pod, container, "memory");
  const cpu = containerLimit(pod, container, "cpu");
  return {
    memoryLimit: memory ? quantityValue(memory) : 0,
    cpuLevel: milli(cpu) * 1e9 + milli(container.resources?.requests?.cpu),
  };
}

/** A limit of 0 is none, which is above all. */
function isBelow(limit: number, before: number): boolean {
  return limit > 0 && limit < (before || Number.POSITIVE_INFINITY);
}

/** Those whose amount changes; the ones that shrink first, as they make room for the others. */
function inOrder(changes: readonly Change[], amount: (levels: Levels) => number): Change[] {
  const delta = ({ from, to }: Change) => amount(to) - amount(from);
  return changes.filter((change) => delta(change) !== 0).toSorted((a, b) => Math.sign(delta(a)) - Math.sign(delta(b)));
}

/** What of the pod grows is set before its containers, what shrinks after them. */
function around(from: CgroupLimits, to: CgroupLimits, containers: readonly ResizeStep[]): ResizeStep[] {
  const names = Object.keys(to) as (keyof CgroupLimits)[];
  const grows = names.filter((name) => levelOf(to, name) > levelOf(from, name));
  const shrinks = names.filter((name) => levelOf(to, name) < levelOf(from, name));
  const podStep = (keys: readonly (keyof CgroupLimits)[]): ResizeStep[] =>
    keys.length > 0 ? [{ kind: "pod", limits: pick(to, keys) }] : [];
  return [...podStep(grows), ...containers, ...podStep(shrinks)];
}

/** As a number that can be compared; what is not limited is above all that is. */
function levelOf(limits: CgroupLimits, name: keyof CgroupLimits): number {
  const value = limits[name];
  return typeof value === "number" && value > 0 ? value : Number.POSITIVE_INFINITY;
}

function pick(limits: CgroupLimits, names: readonly (keyof CgroupLimits)[]): CgroupLimits {
  return Object.fromEntries(names.filter((name) => limits[name] !== undefined).map((name) => [name, limits[name]]));
}

function step({ name }: Container, id: string, resources: LinuxContainerResources): ResizeStep {
  return { kind: "container", name, id, resources };
}

function milli(quantity: string | undefined): number {
  return quantity ? quantityMilliValue(quantity) : 0;
}

/** Whether a changed amount is one that the container must be restarted for. */
export function needsRestart(container: Container, before: ResourceRequirements): boolean {
  return (container.resizePolicy ?? []).some(({ resourceName, restartPolicy }) => {
    if (restartPolicy !== "RestartContainer") return false;
    const only = (resources: ResourceRequirements | undefined): ResourceRequirements => ({
      requests: pickAmount(resources?.requests, resourceName),
      limits: pickAmount(resources?.limits, resourceName),
    });
    return !sameResources(only(container.resources), only(before));
  });
}

function pickAmount(list: Readonly<Record<string, string>> | undefined, name: string): Record<string, string> {
  const amount = list?.[name];
  return amount === undefined ? {} : { [name]: amount };
}
