// What the repair of node ports tells people: Events on the Service that it is about.
import type { Unsaved } from "@skiff/api/object.ts";
import type { CoreV1Event, Service } from "@skiff/api/types.ts";
import { warningEvent } from "./warning-event.ts";

/** Why something is told of a Service's node port. */
export type PortTrouble = "missing" | "out-of-range" | "shared";

/** `range` is the text of the configured one. */
export function servicePortEvent(
  { metadata }: Readonly<Service>,
  port: string,
  { trouble, range }: { readonly trouble: PortTrouble; readonly range: string },
  nowMs: number,
): Unsaved<CoreV1Event> {
  const { name, namespace = "", uid } = metadata;
  const about = { apiVersion: "v1", kind: "Service", namespace, name, uid };
  const what = { action: "PortAllocation", ...wordsFor(trouble, port, range) };
  return warningEvent("portallocator-repair-controller", about, what, nowMs);
}

/** The words by which people search for it. */
function wordsFor(trouble: PortTrouble, port: string, range: string): { reason: string; message: string } {
  switch (trouble) {
    case "missing":
      return { reason: "PortNotAllocated", message: `Port ${port} is not allocated; repairing` };
    case "shared":
      return {
        reason: "PortAlreadyAllocated",
        message: `Port ${port} was assigned to multiple services; please recreate service`,
      };
    default:
      return {
        reason: "PortOutOfRange",
        message: `Port ${port} is not within the port range ${range}; please recreate service`,
      };
  }
}
