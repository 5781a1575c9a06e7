// Writes into aggregated ClusterRoles (admin, edit, view) the rules of those that they select, so that people can read them.
import { isNotFound } from "@skiff/api/errors.ts";
import { selectorOf } from "@skiff/api/labels.ts";
import { clusterRoles } from "@skiff/api/resource-ref.ts";
import type { ClusterRole, PolicyRule } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";

/** Also the pause before another try after a failure. */
const SETTLE_MS = 500;

/** Runs until the signal aborts. Authorization resolves aggregation by itself, so lateness here costs nobody a right. */
export async function runRoleAggregation(
  deps: { readonly reader: ObjectReader; readonly writer: ObjectWriter; readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  let isDirty = true;
  let wake = () => {};
  using _subscription = deps.reader.observe(clusterRoles, () => {
    isDirty = true;
    wake();
  });
  const stop = () => wake();
  signal.addEventListener("abort", stop, { once: true });
  while (!signal.aborted) {
    if (!isDirty) await new Promise<void>((resolve) => (wake = resolve));
    // Many roles change together at start; one pass after the last of them is enough.
    await deps.clock.sleep(SETTLE_MS, signal).catch(() => {});
    if (signal.aborted) return;
    isDirty = false;
    try {
      await aggregateOnce(deps.reader, deps.writer, signal);
    } catch (error) {
      isDirty = true;
      deps.log.warn({ err: error }, "could not aggregate cluster roles, retrying");
    }
  }
}

async function aggregateOnce(reader: ObjectReader, writer: ObjectWriter, signal: AbortSignal): Promise<void> {
  const all = reader.list(clusterRoles);
  for (const role of all) {
    if (!role.aggregationRule) continue;
    const rules = aggregatedRules(role, all);
    if (JSON.stringify(rules) === JSON.stringify(role.rules ?? [])) continue;
    // An administrator may have made it an ordinary role meanwhile, whose rules are his.
    const change = (current: ClusterRole) => (current.aggregationRule ? { ...current, rules } : undefined);
    await writer.update(clusterRoles, "", role.metadata.name, change, signal).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/** The rules of the selected roles by name, each once. An aggregated role's own rules are only ever these. */
export function aggregatedRules(role: Readonly<ClusterRole>, all: readonly Readonly<ClusterRole>[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  const sorted = all.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const selector of role.aggregationRule?.clusterRoleSelectors?.map(selectorOf) ?? []) {
    for (const other of sorted) {
      if (other.metadata.name === role.metadata.name || !selector.matches(other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) rules.set(JSON.stringify(rule), rule);
    }
  }
  return [...rules.values()];
}
