// What a pod asks for and may use: sums over containers, init containers, sidecars and overhead.
import type { Container, Pod, ResourceRequirements } from "../../generated/types.ts";
import { quantityMilliValue, quantityValue } from "../quantity.ts";

/** CPU in thousandths, everything else in whole units (bytes, counts). */
export type ResourceAmounts = Record<string, number>;

/** What the scheduler sets aside for the pod. */
export function podRequests(pod: Readonly<Pod>): ResourceAmounts {
  const total = podAmounts(pod, (resources) => resources?.requests);
  addTo(total, resourceAmounts(pod.spec.overhead));
  return total;
}

/**
 * What the node must keep free for the pod: what its containers ask for or have got already, whichever is more, since a
 * resize frees nothing before it is done. One that the node can never grant counts for what the containers have.
 */
export function podReservation(pod: Readonly<Pod>): ResourceAmounts {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const told = [...statuses, ...(pod.status ? [pod.status] : [])];
  if (!told.some(({ resources, allocatedResources }) => resources || allocatedResources)) return podRequests(pod);
  const isInfeasible = (pod.status?.conditions ?? []).some(
    ({ type, status, reason }) => type === "PodResizePending" && status === "True" && reason === "Infeasible",
  );
  const reserved = (wanted: ResourceRequirements | undefined, held: Held | undefined) => {
    if (!held?.resources) return wanted;
    const lists = [held.resources.requests ?? {}, held.allocatedResources ?? {}];
    if (!isInfeasible) lists.unshift(wanted?.requests ?? {});
    return { ...wanted, requests: largestOf(lists) };
  };
  const reserve = (container: Container): Container => {
    const held = statuses.find(({ name }) => name === container.name);
    const resources = reserved(container.resources, held);
    return resources ? { ...container, resources } : container;
  };
  const own = podLevelOnly(reserved(pod.spec.resources, pod.status), pod.spec.resources);
  const { containers, initContainers } = pod.spec;
  const spec = {
    ...pod.spec,
    ...(own && { resources: own }),
    containers: containers.map(reserve),
    ...(initContainers && {
      initContainers: initContainers.map((container) => (isSidecar(container) ? reserve(container) : container)),
    }),
  };
  return podRequests({ ...pod, spec });
}

/** What a status says that somebody has. */
type Held = Pick<NonNullable<Pod["status"]>, "resources" | "allocatedResources">;

/** Of the pod as a whole only what its spec sets counts: the status also sums up what its containers ask for. */
function podLevelOnly(
  reserved: ResourceRequirements | undefined,
  wanted: ResourceRequirements | undefined,
): ResourceRequirements | undefined {
  if (!reserved || !wanted) return undefined;
  const set = Object.entries(reserved.requests ?? {}).filter(([name]) => wanted.requests?.[name] !== undefined);
  return { ...reserved, requests: Object.fromEntries(set) };
}

function largestOf(lists: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const largest: Record<string, string> = {};
  for (const list of lists) {
    for (const [name, quantity] of Object.entries(list)) {
      const known = largest[name];
      if (known === undefined || resourceAmount(name, quantity) > resourceAmount(name, known)) largest[name] = quantity;
    }
  }
  return largest;
}

/** The pod's ceilings: only resources that a container limits appear. */
export function podLimits(pod: Readonly<Pod>): ResourceAmounts {
  const total = podAmounts(pod, (resources) => resources?.limits);
  const overhead = resourceAmounts(pod.spec.overhead);
  // Without a limit there is no ceiling, and overhead must not invent one.
  for (const name in overhead) if (total[name] !== undefined) total[name] += overhead[name] ?? 0;
  return total;
}

/** Whether the pod as a whole asks for something, or is limited in it. */
export function hasPodLevelResources({ spec: { resources } }: Readonly<Pod>): boolean {
  return Object.keys({ ...resources?.requests, ...resources?.limits }).some(isPodLevelResource);
}

/** What the containers ask for together, in the way of `podRequests`, whatever the pod as a whole asks for. */
export function containersRequests(pod: Readonly<Pod>): ResourceAmounts {
  const { resources: _, overhead: __, ...spec } = pod.spec;
  return podRequests({ ...pod, spec });
}

/**
 * The ceiling of one container: its own or, for want of one, that of the pod as a whole. Undefined where neither is
 * set; a limit of zero is none.
 */
export function containerLimit(pod: Readonly<Pod>, container: Container, name: string): string | undefined {
  const own = container.resources?.limits?.[name];
  if (own !== undefined && resourceAmount(name, own) > 0) return own;
  const shared = isPodLevelResource(name) ? pod.spec.resources?.limits?.[name] : undefined;
  return shared !== undefined && resourceAmount(name, shared) > 0 ? shared : undefined;
}

/** A resource list such as `requests` or a node's `allocatable`, as numbers. */
export function resourceAmounts(list: Readonly<Record<string, string>> | undefined): ResourceAmounts {
  const amounts: ResourceAmounts = {};
  for (const name in list) amounts[name] = resourceAmount(name, list[name] ?? "0");
  return amounts;
}

/** CPU in thousandths, everything else in whole units (bytes, pieces), rounded up. */
export function resourceAmount(name: string, quantity: string): number {
  return name === "cpu" ? quantityMilliValue(quantity) : quantityValue(quantity);
}

/** An init container that keeps running beside the others. */
export function isSidecar(container: Pick<Container, "restartPolicy">): boolean {
  return container.restartPolicy === "Always";
}

type ReadList = (resources: ResourceRequirements | undefined) => Record<string, string> | undefined;

function podAmounts(pod: Readonly<Pod>, read: ReadList): ResourceAmounts {
  const total: ResourceAmounts = {};
  for (const container of pod.spec.containers) addTo(total, resourceAmounts(read(container.resources)));
  includeInitContainers(total, pod.spec.initContainers ?? [], read);
  // Requests of the whole pod replace the sum of its containers', for the resources that may be set there.
  const own = resourceAmounts(read(pod.spec.resources));
  for (const name in own) if (isPodLevelResource(name)) total[name] = own[name] ?? 0;
  return total;
}

/** Init containers run one after another beside the sidecars started so far, so the largest moment counts. */
function includeInitContainers(total: ResourceAmounts, containers: readonly Container[], read: ReadList): void {
  const sidecars: ResourceAmounts = {};
  const peak: ResourceAmounts = {};
  for (const container of containers) {
    const amounts = resourceAmounts(read(container.resources));
    if (isSidecar(container)) {
      addTo(total, amounts);
      addTo(sidecars, amounts);
      raiseTo(peak, sidecars);
    } else {
      addTo(amounts, sidecars);
      raiseTo(peak, amounts);
    }
  }
  raiseTo(total, peak);
}

/** Whether a pod as a whole can ask for it. */
export function isPodLevelResource(name: string): boolean {
  return name === "cpu" || name === "memory" || name.startsWith("hugepages-");
}

function addTo(total: ResourceAmounts, amounts: ResourceAmounts): void {
  for (const name in amounts) total[name] = (total[name] ?? 0) + (amounts[name] ?? 0);
}

function raiseTo(total: ResourceAmounts, amounts: ResourceAmounts): void {
  for (const name in amounts) total[name] = Math.max(total[name] ?? 0, amounts[name] ?? 0);
}
