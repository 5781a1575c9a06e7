// The ServiceCIDR `kubernetes`: made of --service-cluster-ip-range, and ready.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import { serviceCidrs } from "@skiff/api/resource-ref.ts";
import type { ServiceCIDR } from "@skiff/api/types.ts";
import { deepEqual } from "@skiff/api/validation/deep-equal.ts";
import { type Clock, formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";
import { DEFAULT_SERVICE_CIDR } from "../registry/services/service-ranges.ts";

/** `serviceRanges` is the flag, one range for each family. */
interface Deps {
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
  readonly serviceRanges: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** One round of it. An object that does not fit the flag is left alone: which of the two is wrong only a person knows. */
export function createServiceCidrKeeper(deps: Deps): (signal: AbortSignal) => Promise<void> {
  const { reader, writer, serviceRanges, clock, log } = deps;
  // A round comes every ten seconds, and one warning is enough until it fits again.
  let hasWarned = false;
  const change = (to: (cidr: ServiceCIDR) => ServiceCIDR | undefined, signal: AbortSignal, subresource = "") =>
    writer.update(serviceCidrs, "", DEFAULT_SERVICE_CIDR, to, signal, subresource);
  return async (signal) => {
    const current = await reader.getLatest(serviceCidrs, "", DEFAULT_SERVICE_CIDR, signal);
    const step = planServiceCidr(current, serviceRanges);
    if (step === "warn" && !hasWarned) {
      const cidrs = current?.spec?.cidrs;
      log.warn({ cidrs, flag: serviceRanges }, "the default ServiceCIDR does not match --service-cluster-ip-range");
    }
    hasWarned = step === "warn";
    if (step === "create") {
      const object = { metadata: { name: DEFAULT_SERVICE_CIDR }, spec: { cidrs: [...serviceRanges] } };
      await writer.create(serviceCidrs, object, signal).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      });
    }
    if (step === "widen") await change((cidr) => ({ ...cidr, spec: { cidrs: [...serviceRanges] } }), signal);
    // What was made, was widened or lacks the condition is said to be ready in this same round.
    if (step === "warn" || step === "none") return;
    await change((cidr) => withReady(cidr, formatTime(clock.now())), signal, "status");
  };
}

/** `widen` is the way from one address family to two. */
export function planServiceCidr(
  current: Readonly<ServiceCIDR> | undefined,
  ranges: readonly string[],
): "create" | "widen" | "ready" | "warn" | "none" {
  if (!current) return "create";
  const cidrs = current.spec?.cidrs ?? [];
  if (ranges.length === 2 && cidrs.length === 1 && cidrs[0] === ranges[0]) return "widen";
  if (current.metadata.deletionTimestamp) return "none";
  if (!deepEqual(cidrs, ranges)) return "warn";
  const condition = readyCondition(current);
  // A "False" is the controller manager's word, which only he takes back.
  return condition && condition.status !== "Unknown" ? "none" : "ready";
}

function withReady(cidr: ServiceCIDR, now: string): ServiceCIDR | undefined {
  const condition = readyCondition(cidr);
  if (condition && condition.status !== "Unknown") return undefined;
  const message = "Kubernetes default Service CIDR is ready";
  const ready = { type: "Ready", status: "True", reason: "", message, lastTransitionTime: now };
  const others = (cidr.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  return { ...cidr, status: { ...cidr.status, conditions: [...others, ready] } };
}

function readyCondition(cidr: Readonly<ServiceCIDR>) {
  return cidr.status?.conditions?.find(({ type }) => type === "Ready");
}
