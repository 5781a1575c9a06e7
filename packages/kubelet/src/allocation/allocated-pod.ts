// A pod as the node has granted it: the spec with the resources that were allocated. Pure.
import { resourceAmount } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod, ResourceRequirements } from "@skiff/api/types.ts";
import type { PodAllocation } from "./resource-state.ts";

/** The pod with the allocation in its spec; the same object where they agree. */
export function withAllocation(pod: Readonly<Pod>, allocation: PodAllocation | undefined): Readonly<Pod> {
  if (!allocation || !wantsResize(pod, allocation)) return pod;
  const granted = (container: Container): Container => {
    const resources = allocation.containers[container.name];
    return resources ? { ...container, resources } : container;
  };
  const { resources: _, ...rest } = pod.spec;
  const { containers, initContainers } = rest;
  const spec = {
    ...rest,
    ...(allocation.pod ? { resources: allocation.pod } : {}),
    containers: containers.map(granted),
  };
  return { ...pod, spec: initContainers ? { ...spec, initContainers: initContainers.map(granted) } : spec };
}

/** What the spec asks for. */
export function allocationOf(pod: Readonly<Pod>): PodAllocation {
  const { resources } = pod.spec;
  const containers = Object.fromEntries(resizableContainers(pod).map(({ name, resources: own }) => [name, own ?? {}]));
  return resources ? { pod: resources, containers } : { containers };
}

/**
 * Whether the spec differs from the allocation. A container without an entry is not counted: it has none to be
 * changed.
 */
export function wantsResize(pod: Readonly<Pod>, allocation: PodAllocation): boolean {
  if (!sameResources(pod.spec.resources, allocation.pod)) return true;
  return resizableContainers(pod).some(({ name, resources }) => {
    const granted = allocation.containers[name];
    return granted !== undefined && !sameResources(resources, granted);
  });
}

/** All but ephemeral ones. */
export function resizableContainers(pod: Readonly<Pod>): Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

/** By amount and not by text: `1` and `1000m` of a CPU are the same. */
export function sameResources(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): boolean {
  return (["requests", "limits"] as const).every((what) => {
    const [left, right] = [a?.[what] ?? {}, b?.[what] ?? {}];
    const names = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...names].every((name) => {
      const [one, other] = [left[name], right[name]];
      if (one === undefined || other === undefined) return one === other;
      return one === other || resourceAmount(name, one) === resourceAmount(name, other);
    });
  });
}
