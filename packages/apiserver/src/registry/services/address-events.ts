// What the repair of addresses tells people: Events on the Service or the IPAddress that it is about.
import type { Unsaved } from "@skiff/api/object.ts";
import type { CoreV1Event, IPAddress, Service } from "@skiff/api/types.ts";
import { familyOf } from "./ip-range.ts";
import { warningEvent } from "./warning-event.ts";

const REPORTER = "ipallocator-repair-controller";

/** Why something is told of a Service's address. */
export type AddressTrouble = "missing" | "out-of-range" | "shared";

const OF_SERVICES: Readonly<Record<AddressTrouble, { reason: string; note(of: string, address: string): string }>> = {
  missing: {
    reason: "ClusterIPNotAllocated",
    note: (family, address) => `Cluster IP [${family}]: ${address} is not allocated; repairing`,
  },
  "out-of-range": {
    reason: "ClusterIPOutOfRange",
    note: (family, address) =>
      `Cluster IP [${family}]: ${address} is not within any configured Service CIDR; please recreate service`,
  },
  shared: {
    reason: "ClusterIPAlreadyAllocated",
    note: (family, address) =>
      `Cluster IP [${family}]:${address} was assigned to multiple services; please recreate service`,
  },
};

/** On the Service, where `kubectl describe` shows it. */
export function serviceAddressEvent(
  { metadata }: Readonly<Service>,
  address: string,
  trouble: AddressTrouble,
  nowMs: number,
): Unsaved<CoreV1Event> {
  const { name, namespace = "", uid } = metadata;
  const about = { apiVersion: "v1", kind: "Service", namespace, name, uid };
  const { reason, note } = OF_SERVICES[trouble];
  const what = { action: "ClusterIPAllocation", reason, message: note(familyOf(address), address) };
  return warningEvent(REPORTER, about, what, nowMs);
}

/** For an IPAddress that names a Service which does not hold it. */
export function leakedAddressEvent({ metadata, spec }: Readonly<IPAddress>, nowMs: number): Unsaved<CoreV1Event> {
  const { name, uid } = metadata;
  const about = { apiVersion: "networking.k8s.io/v1", kind: "IPAddress", name, uid };
  const holder = `${spec.parentRef?.namespace ?? ""}/${spec.parentRef?.name ?? ""}`;
  const message = `IPAddress: ${name} for Service ${holder} appears to have leaked: cleaning up`;
  const what = { action: "IPAddressAllocation", reason: "IPAddressNotAllocated", message };
  return warningEvent(REPORTER, about, what, nowMs);
}
