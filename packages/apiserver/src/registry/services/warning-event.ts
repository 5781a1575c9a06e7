// A warning of the apiserver's own, on the object that it is about.
import { randomBytes } from "node:crypto";
import type { Unsaved } from "@skiff/api/object.ts";
import type { CoreV1Event } from "@skiff/api/types.ts";
import { formatMicroTime } from "@skiff/component-base/clock.ts";

/** `reporter` is the part of the apiserver that says so. */
export function warningEvent(
  reporter: string,
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
    reportingComponent: reporter,
    reportingInstance: reporter,
  };
}
