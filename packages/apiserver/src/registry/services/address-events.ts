// What the repair of addresses tells people: Events on the Service or the IPAddress that it is about.
import { randomBytes } from "node:crypto";
import type { Unsaved } from "@skiff/api/object.ts";
import type { CoreV1Event, IPAddress, Service } from "@skiff/api/types.ts";
import { formatMicroTime } from "@skiff/component-base/clock.ts";
import { familyOf } from "./ip-range.ts";

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
  return eventOf(about, { action: "ClusterIPAllocation", reason, message: note(familyOf(address), address) }, nowMs);
}

/** For an IPAddress that names a Service which does not hold it. */
export function leakedAddressEvent({ metadata, spec }: Readonly<IPAddress>, nowMs: number): Unsaved<CoreV1Event> {
  const { name, uid } = metadata;
  const about = { apiVersion: "networking.k8s.io/v1", kind: "IPAddress", name, uid };
  const holder = `${spec.parentRef?.namespace ?? ""}/${spec.parentRef?.name ?? ""}`;
  const message = `IPAddress: ${name} for Service ${holder} appears to have leaked: cleaning up`;
  return eventOf(about, { action: "IPAddressAllocation", reason: "IPAddressNotAllocated", message }, nowMs);
}

function eventOf(
  about: { readonly namespace?: string; readonly name: string } & CoreV1Event["involvedObject"],
  what: { readonly action: string; readonly reason: string; readonly message: string },
  nowMs: number,
): Unsaved<CoreV1Event> {
  return {
    // Events on what has no namespace live in `default`.
    metadata: { name: `${about.name}.${randomBytes(8).toString("hex")}`, namespace: about.namespace || "default" },
    involvedObject: about,
    ...what,
    type: "Warning",
    eventTime: formatMicroTime(nowMs),
    reportingComponent: REPORTER,
    reportingInstance: REPORTER,
  };
}
