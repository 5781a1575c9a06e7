// Whom a critical pod displaces when the node has no room for it: those of the lowest quality of service, and of them the fewest. Pure.
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Pod } from "@skiff/api/types.ts";
import { isCriticalPod } from "../static-pods/annotations.ts";

/** How much of a resource is missing for a pod: cpu in milli, others in units. */
export interface Shortage {
  readonly resource: string;
  readonly amount: number;
}

/** The pods that have to go; undefined when even all of them would not make room. */
export function planPreemption(
  preemptor: Readonly<Pod>,
  running: readonly Readonly<Pod>[],
  shortages: readonly Shortage[],
): Readonly<Pod>[] | undefined {
  // Static pods count as critical, so they too give way to a higher priority alone.
  const candidates = running.filter((pod) => mayPreempt(preemptor, pod));
  if (remaining(shortages, candidates).length > 0) return undefined;
  const [guaranteed, burstable, bestEffort] = ["Guaranteed", "Burstable", "BestEffort"].map((qos) =>
    candidates.filter((pod) => podQos(pod) === qos),
  ) as [Readonly<Pod>[], Readonly<Pod>[], Readonly<Pod>[]];
  // Of each class only as many as all of the lower classes leave to be freed.
  const first = pickFewest(guaranteed, remaining(shortages, [...bestEffort, ...burstable]));
  const second = pickFewest(burstable, remaining(shortages, [...bestEffort, ...first]));
  const third = pickFewest(bestEffort, remaining(shortages, [...second, ...first]));
  return [...third, ...second, ...first];
}

/** Only a critical pod displaces others, and another critical one only by a higher priority. */
function mayPreempt(preemptor: Readonly<Pod>, pod: Readonly<Pod>): boolean {
  if (!isCriticalPod(preemptor)) return false;
  return !isCriticalPod(pod) || (preemptor.spec?.priority ?? 0) > (pod.spec?.priority ?? 0);
}

/** Upstream's order: each time the pod that comes closest to what is missing, and of equals the one that asked for less. */
function pickFewest(pods: readonly Readonly<Pod>[], shortages: readonly Shortage[]): Readonly<Pod>[] {
  const picked: Readonly<Pod>[] = [];
  let left = [...pods];
  let missing = shortages;
  while (missing.length > 0) {
    const [best] = left.toSorted((a, b) => distance(a, missing) - distance(b, missing) || bySize(a, b));
    if (!best) return picked;
    picked.push(best);
    left = left.filter((pod) => pod !== best);
    missing = remaining(missing, [best]);
  }
  return picked;
}

/** How much of each shortage the pod's end would leave, squared and summed: 0 when it alone is enough. */
function distance(pod: Readonly<Pod>, shortages: readonly Shortage[]): number {
  const left = shortages.map(({ resource, amount }) => Math.max(0, amount - requestOf(pod, resource)) / amount);
  return left.reduce((sum, share) => sum + share ** 2, 0);
}

function bySize(a: Readonly<Pod>, b: Readonly<Pod>): number {
  return requestOf(a, "memory") - requestOf(b, "memory") || requestOf(a, "cpu") - requestOf(b, "cpu");
}

/** What is still missing once these pods have ended. */
function remaining(shortages: readonly Shortage[], pods: readonly Readonly<Pod>[]): Shortage[] {
  return shortages
    .map(({ resource, amount }) => ({
      resource,
      amount: amount - pods.reduce((sum, pod) => sum + requestOf(pod, resource), 0),
    }))
    .filter(({ amount }) => amount > 0);
}

function requestOf(pod: Readonly<Pod>, resource: string): number {
  return resource === "pods" ? 1 : (podRequests(pod)[resource] ?? 0);
}
