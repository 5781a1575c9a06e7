// The conditions by which a terminating namespace says what still holds it.
import type { NamespaceCondition } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";

/** What one pass of deletion met. */
export interface ContentReport {
  /** Reasons by group version. */
  readonly discoveryFailures: ReadonlyMap<string, string>;
  readonly deletionFailures: readonly string[];
  /** Objects left, by `pods.` or `deployments.apps`. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Objects that wait for a finalizer, by its name. */
  readonly finalizers: ReadonlyMap<string, number>;
}

/** A condition's words for either outcome. */
interface Verdict {
  readonly type: string;
  readonly ok: { readonly reason: string; readonly message: string };
  readonly failed: { readonly reason: string; readonly message: string } | undefined;
}

/** Upstream's five conditions (`kubectl describe namespace` shows them while a deletion hangs), with the times of those that did not change; others' conditions stay. */
export function namespaceConditions(
  current: readonly NamespaceCondition[] | undefined,
  report: ContentReport,
  nowMs: number,
): NamespaceCondition[] {
  const next = verdicts(report).map(({ type, ok, failed }): NamespaceCondition => {
    const status = failed ? "True" : "False";
    const before = current?.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : formatTime(nowMs);
    return { type, status, lastTransitionTime, ...(failed ?? ok) };
  });
  const others = (current ?? []).filter(({ type }) => !next.some((condition) => condition.type === type));
  return [...others, ...next];
}

function verdicts({ discoveryFailures, deletionFailures, remaining, finalizers }: ContentReport): Verdict[] {
  return [
    {
      type: "NamespaceDeletionDiscoveryFailure",
      ok: { reason: "ResourcesDiscovered", message: "All resources successfully discovered" },
      failed: discoveryFailure(discoveryFailures),
    },
    {
      type: "NamespaceDeletionGroupVersionParsingFailure",
      ok: { reason: "ParsedGroupVersions", message: "All legacy kube types successfully parsed" },
      failed: undefined,
    },
    {
      type: "NamespaceDeletionContentFailure",
      ok: { reason: "ContentDeleted", message: "All content successfully deleted, may be waiting on finalization" },
      failed: contentFailure(deletionFailures),
    },
    {
      type: "NamespaceContentRemaining",
      ok: { reason: "ContentRemoved", message: "All content successfully removed" },
      failed: counted(
        remaining,
        "SomeResourcesRemain",
        "Some resources are remaining: ",
        (name, count) => `${name} has ${count} resource instances`,
      ),
    },
    {
      type: "NamespaceFinalizersRemaining",
      ok: { reason: "ContentHasNoFinalizers", message: "All content-preserving finalizers finished" },
      failed: counted(
        finalizers,
        "SomeFinalizersRemain",
        "Some content in the namespace has finalizers remaining: ",
        (name, count) => `${name} in ${count} resource instances`,
      ),
    },
  ];
}

function discoveryFailure(failures: ReadonlyMap<string, string>): Verdict["failed"] {
  if (failures.size === 0) return undefined;
  const list = [...failures]
    .map(([groupVersion, reason]) => `${groupVersion}: ${reason}`)
    .sort()
    .join(", ");
  const message = `Discovery failed for some groups, ${failures.size} failing: unable to retrieve the complete list of server APIs: ${list}`;
  return { reason: "DiscoveryFailed", message };
}

function contentFailure(failures: readonly string[]): Verdict["failed"] {
  if (failures.length === 0) return undefined;
  const message = `Failed to delete all resource types, ${failures.length} remaining: ${[...failures].sort().join(", ")}`;
  return { reason: "ContentDeletionFailed", message };
}

/** Sorted by name, so that the same state gives the same message and no write. */
function counted(
  counts: ReadonlyMap<string, number>,
  reason: string,
  prefix: string,
  format: (name: string, count: number) => string,
): Verdict["failed"] {
  if (counts.size === 0) return undefined;
  const parts = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => format(name, count));
  return { reason, message: prefix + parts.join(", ") };
}
