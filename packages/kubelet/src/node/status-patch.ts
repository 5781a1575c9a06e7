// What of the node's status is written, and when: the kubelet's own part, beside what others wrote into it. Pure.
import { isDeepStrictEqual } from "node:util";
import type { NodeStatus } from "@skiff/api/types.ts";

type Amounts = Readonly<Record<string, string>>;

/** Whether the object shows what the kubelet has to tell, but for the time of its last look. */
export function isSameStatus(known: NodeStatus, own: NodeStatus): boolean {
  return isDeepStrictEqual(comparable(withOwnAmounts(known, own)), comparable(own));
}

/** Addresses and images are replaced whole: merging them by key would keep what is gone. */
export function statusPatch(known: NodeStatus, own: NodeStatus): object {
  return {
    ...own,
    capacity: { ...withdrawn(known.capacity, own.capacity), ...own.capacity },
    allocatable: { ...withdrawn(known.allocatable, own.allocatable), ...own.allocatable },
    addresses: [{ $patch: "replace" }, ...(own.addresses ?? [])],
  };
}

/** What an earlier kubelet, or this machine with another kernel, gave out and is no more. */
function withdrawn(known: Amounts = {}, own: Amounts = {}): Record<string, null> {
  const names = Object.keys(known).filter((name) => isOurs(name) && !(name in own));
  return Object.fromEntries(names.map((name) => [name, null]));
}

/** Others may have given the node resources of their own, which stay; these are nobody's but the kubelet's. */
function isOurs(name: string): boolean {
  return name === "ephemeral-storage" || name.startsWith("hugepages-");
}

function withOwnAmounts(known: NodeStatus, own: NodeStatus): NodeStatus {
  const pick = (all: Amounts = {}, mine: Amounts = {}) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => name in mine || isOurs(name)));
  return {
    ...known,
    ...(known.capacity ? { capacity: pick(known.capacity, own.capacity) } : {}),
    ...(known.allocatable ? { allocatable: pick(known.allocatable, own.allocatable) } : {}),
  };
}

/** The status without what changes at every look. */
function comparable(status: NodeStatus): unknown {
  const { conditions, capacity, allocatable, addresses, daemonEndpoints, nodeInfo, images, volumesInUse } = status;
  const { runtimeHandlers, features, declaredFeatures } = status;
  const own = (conditions ?? []).map(({ lastHeartbeatTime: _, ...condition }) => condition);
  const byType = own.sort((a, b) => (a.type < b.type ? -1 : 1));
  const text = JSON.stringify({
    conditions: byType,
    capacity,
    allocatable,
    addresses,
    daemonEndpoints,
    nodeInfo,
    // The API keeps no empty lists.
    images: images?.length ? images : undefined,
    runtimeHandlers: runtimeHandlers?.length ? runtimeHandlers : undefined,
    features,
    declaredFeatures,
    volumesInUse: volumesInUse?.length ? volumesInUse : undefined,
  });
  return JSON.parse(text);
}
