// The order in which pod and containers get their new limits, so that none is ever below what it contains. Pure.
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import type { Container, Pod, ResourceRequirements } from "@skiff/api/types.ts";
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
  /** Memory limits that shrink: below what is in use they would kill. */
  readonly shrinking: readonly { readonly name: string; readonly id: string; readonly memoryBytes: number }[];
}

/** `pod` as granted; `actuated` is what its containers have. */
export function planResize(pod: Readonly<Pod>, runtime: RuntimePod, actuated: PodAllocation): ResizePlan {
  const current = withAllocation(pod, actuated);
  const from = podCgroupLimits(current, 0);
  const to = podCgroupLimits(pod, 0);
  const changed = resizableContainers(pod).flatMap((container) => {
    const running = latestContainer(runtime, container.name);
    const before = actuated[container.name];
    if (running?.state !== "running" || !before || sameResources(container.resources, before)) return [];
    return [{ container, before, id: running.id }];
  });
  // Memory before CPU, as upstream.
  const memory = inOrder(changed, memoryLimitOf);
  // Limits decide, and requests where limits are alike: one number that sorts both.
  const cpu = inOrder(changed, ({ limits, requests }) => milli(limits?.cpu) * 1e9 + milli(requests?.cpu));
  return {
    steps: [
      ...around(
        pick(from, ["memoryBytes"]),
        pick(to, ["memoryBytes"]),
        memory.flatMap(({ container, id }) => {
          const bytes = memoryLimitOf(container.resources);
          return bytes > 0 ? [step(container, id, { memoryLimitInBytes: bytes })] : [];
        }),
      ),
      ...around(
        pick(from, ["cpuQuotaUs", "cpuShares"]),
        pick(to, ["cpuQuotaUs", "cpuShares"]),
        cpu.map(({ container, id }) => step(container, id, containerCpu(container))),
      ),
    ],
    shrinking: memory
      .filter(({ container, before }) => memoryLimitOf(container.resources) < (memoryLimitOf(before) || Infinity))
      .filter(({ container }) => memoryLimitOf(container.resources) > 0)
      .map(({ container, id }) => ({ name: container.name, id, memoryBytes: memoryLimitOf(container.resources) })),
  };
}

interface Change {
  readonly container: Container;
  readonly before: ResourceRequirements;
  readonly id: string;
}

/** Those whose amount changes; the ones that shrink first, as they make room for the others. */
function inOrder(changes: readonly Change[], amount: (resources: ResourceRequirements) => number): Change[] {
  const delta = ({ container, before }: Change) => amount(container.resources ?? {}) - amount(before);
  return changes.filter((change) => delta(change) !== 0).toSorted((a, b) => Math.sign(delta(a)) - Math.sign(delta(b)));
}

/** What of the pod grows is set before its containers, what shrinks after them. */
function around(from: CgroupLimits, to: CgroupLimits, containers: readonly ResizeStep[]): ResizeStep[] {
  const names = Object.keys(to) as (keyof CgroupLimits)[];
  const grows = names.filter((name) => (to[name] ?? 0) > (from[name] ?? Number.POSITIVE_INFINITY));
  const shrinks = names.filter((name) => (to[name] ?? 0) < (from[name] ?? Number.POSITIVE_INFINITY));
  const podStep = (keys: readonly (keyof CgroupLimits)[]): ResizeStep[] =>
    keys.length > 0 ? [{ kind: "pod", limits: pick(to, keys) }] : [];
  return [...podStep(grows), ...containers, ...podStep(shrinks)];
}

function pick(limits: CgroupLimits, names: readonly (keyof CgroupLimits)[]): CgroupLimits {
  return Object.fromEntries(names.filter((name) => limits[name] !== undefined).map((name) => [name, limits[name]]));
}

function step({ name }: Container, id: string, resources: LinuxContainerResources): ResizeStep {
  return { kind: "container", name, id, resources };
}

function memoryLimitOf(resources: ResourceRequirements | undefined): number {
  return resources?.limits?.memory ? quantityValue(resources.limits.memory) : 0;
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
