// Computes the Endpoints object of a Service from its pods.
import { isPodReady } from "@skiff/api/conditions.ts";
import { parseIp } from "@skiff/api/ip.ts";
import type { CoreV1EndpointPort, EndpointAddress, EndpointSubset, Pod, Service } from "@skiff/api/types.ts";
import { hostnameUnder, isHeadless, mayServe, podAddresses, portsOnPod, targetRefOf } from "./service-pods.ts";

/** Upstream's maxCapacity: beyond it an Endpoints object is truncated, and marked so. */
const MAX_ADDRESSES = 1000;

/** `isTruncated` says that some pods are left out. */
export interface EndpointsPlan {
  readonly subsets: EndpointSubset[];
  readonly isTruncated: boolean;
}

/** One subset: pods that serve the Service at the same ports. */
interface Group {
  readonly ports: readonly CoreV1EndpointPort[];
  readonly ready: EndpointAddress[];
  readonly notReady: EndpointAddress[];
}

/** Addresses grouped by equal sets of ports, in an order that depends on nothing but the pods. */
export function planEndpoints(service: Readonly<Service>, pods: readonly Readonly<Pod>[]): EndpointsPlan {
  const groups = new Map<string, Group>();
  const publishAll = service.spec.publishNotReadyAddresses === true;
  for (const pod of pods) {
    const address = mayServe(pod, publishAll) ? addressOf(service, pod) : undefined;
    if (!address) continue;
    // Sorted, so that equal sets of ports are equal texts: pods with the same ports share a subset.
    const ports = portsOnPod(service, pod).toSorted(byPort);
    if (ports.length === 0 && !(isHeadless(service) && !service.spec.ports?.length)) continue;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] };
    groups.set(key, group);
    (publishAll || isPodReady(pod) ? group.ready : group.notReady).push(address);
  }
  const ordered = [...groups.keys()].sort().flatMap((key) => groups.get(key) ?? []);
  const { kept, isTruncated } = truncate(ordered);
  return { subsets: kept.map(subsetOf), isTruncated };
}

function addressOf(service: Readonly<Service>, pod: Readonly<Pod>): EndpointAddress | undefined {
  const ip = podAddresses(pod, primaryVersion(service))[0];
  if (!ip) return undefined;
  const hostname = hostnameUnder(service, pod);
  return {
    ip,
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    ...(hostname ? { hostname } : {}),
    targetRef: targetRefOf(pod),
  };
}

/** Endpoints know one IP version: that of the Service's first address. */
function primaryVersion({ spec }: Readonly<Service>): 4 | 6 {
  const family = spec.ipFamilies?.[0];
  if (family) return family === "IPv6" ? 6 : 4;
  return spec.clusterIP && parseIp(spec.clusterIP)?.version === 6 ? 6 : 4;
}

/** Ready addresses come before the others, and each group keeps its share. */
function truncate(groups: readonly Group[]): { kept: Group[]; isTruncated: boolean } {
  const ready = groups.reduce((sum, group) => sum + group.ready.length, 0);
  const notReady = groups.reduce((sum, group) => sum + group.notReady.length, 0);
  if (ready + notReady <= MAX_ADDRESSES) return { kept: [...groups], isTruncated: false };
  const readyShares = shares(
    groups.map((group) => group.ready.length),
    Math.min(ready, MAX_ADDRESSES),
  );
  const left = MAX_ADDRESSES - Math.min(ready, MAX_ADDRESSES);
  const otherShares = shares(
    groups.map((group) => group.notReady.length),
    Math.min(notReady, left),
  );
  const kept = groups.map((group, index) => ({
    ports: group.ports,
    ready: group.ready.toSorted(byAddress).slice(0, readyShares[index]),
    notReady: group.notReady.toSorted(byAddress).slice(0, otherShares[index]),
  }));
  return { kept: kept.filter((group) => group.ready.length + group.notReady.length > 0), isTruncated: true };
}

/** Splits `total` in proportion to `sizes`; what rounding leaves goes to the first groups with room. */
function shares(sizes: readonly number[], total: number): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  const result = sizes.map((size) => (sum === 0 ? 0 : Math.floor((size * total) / sum)));
  let left = total - result.reduce((a, b) => a + b, 0);
  sizes.forEach((size, index) => {
    const extra = Math.min(left, size - (result[index] ?? 0));
    result[index] = (result[index] ?? 0) + extra;
    left -= extra;
  });
  return result;
}

function subsetOf({ ports, ready, notReady }: Group): EndpointSubset {
  return {
    ...(ready.length > 0 ? { addresses: ready.toSorted(byAddress) } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: notReady.toSorted(byAddress) } : {}),
    ...(ports.length > 0 ? { ports: [...ports] } : {}),
  };
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  if (a.ip !== b.ip) return a.ip < b.ip ? -1 : 1;
  return (a.targetRef?.uid ?? "") < (b.targetRef?.uid ?? "") ? -1 : 1;
}

function byPort(a: CoreV1EndpointPort, b: CoreV1EndpointPort): number {
  const [x, y] = [portText(a), portText(b)];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}

function portText({ name, port, protocol }: CoreV1EndpointPort): string {
  return `${name ?? ""}/${String(port).padStart(5, "0")}/${protocol ?? ""}`;
}
