// One resource of a pod's containers together, as the exact quantity that users see. Pure.
import type { Container, Pod, PodSpec } from "../../generated/types.ts";
import { addQuantities, compareQuantities } from "../quantity.ts";
import { isPodLevelResource, isSidecar } from "./resources.ts";

/**
 * Of all containers as they run beside and after each other: the sum of those that stay, or the largest moment of the
 * initialization. Undefined where none names it.
 */
export function aggregateQuantity(
  { containers = [], initContainers = [] }: Partial<Pick<PodSpec, "containers" | "initContainers">>,
  read: (container: Container) => string | undefined,
): string | undefined {
  let sidecars: string | undefined;
  let peak: string | undefined;
  for (const container of initContainers) {
    const moment = sum(sidecars, read(container));
    if (isSidecar(container)) sidecars = moment;
    peak = larger(peak, moment);
  }
  return larger(containers.map(read).reduce(sum, sidecars), peak);
}

/** What the pod asks for, without its overhead; what it asks for as a whole replaces the sums of its containers. */
export function podRequestQuantities({ spec }: Readonly<Pod>): Record<string, string> {
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  const names = new Set(all.flatMap(({ resources }) => Object.keys(resources?.requests ?? {})));
  const found: Record<string, string> = {};
  for (const name of names) {
    const total = aggregateQuantity(spec, ({ resources }) => resources?.requests?.[name]);
    if (total !== undefined) found[name] = total;
  }
  for (const [name, amount] of Object.entries(spec.resources?.requests ?? {})) {
    if (isPodLevelResource(name)) found[name] = amount;
  }
  return found;
}

function sum(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || b === undefined ? (a ?? b) : addQuantities(a, b);
}

function larger(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && compareQuantities(b, a) > 0) ? b : a;
}
