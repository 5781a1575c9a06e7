// The quality-of-service class, from which the kubelet derives cgroups, OOM scores and eviction order.
import type { Pod, ResourceRequirements } from "../../generated/types.ts";
import { type ResourceAmounts, resourceAmount } from "./resources.ts";

/** From the last to be evicted to the first. */
export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** The class that was recorded, else the one that follows from the spec. */
export function podQos(pod: Readonly<Pod>): QosClass {
  const recorded = pod.status?.qosClass;
  return recorded === "Guaranteed" || recorded === "Burstable" || recorded === "BestEffort"
    ? recorded
    : computeQos(pod);
}

/** Upstream's ComputePodQOS. Only CPU and memory count. Guaranteed: every container limits both, and requests equal limits. */
export function computeQos(pod: Readonly<Pod>): QosClass {
  const requests: ResourceAmounts = {};
  const limits: ResourceAmounts = {};
  let everyContainerIsLimited = true;
  for (const resources of countedResources(pod)) {
    collect(requests, resources.requests);
    const limited = collect(limits, resources.limits);
    if (limited < 2) everyContainerIsLimited = false;
  }
  const requested = Object.keys(requests);
  const limited = Object.keys(limits);
  if (requested.length === 0 && limited.length === 0) return "BestEffort";
  const equal = requested.length === limited.length && requested.every((name) => requests[name] === limits[name]);
  return everyContainerIsLimited && equal ? "Guaranteed" : "Burstable";
}

/** The pod's own resources where it sets them, else those of all its containers. */
function countedResources(pod: Readonly<Pod>): ResourceRequirements[] {
  const own = pod.spec.resources;
  if (own && (own.requests || own.limits)) return [own];
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map((container) => container.resources ?? {});
}

/** Adds the positive amounts of `list`; returns how many there were. */
function collect(total: ResourceAmounts, list: Readonly<Record<string, string>> | undefined): number {
  let found = 0;
  for (const name of ["cpu", "memory"]) {
    const amount = list?.[name] === undefined ? 0 : resourceAmount(name, list[name]);
    if (amount <= 0) continue;
    total[name] = (total[name] ?? 0) + amount;
    found++;
  }
  return found;
}
