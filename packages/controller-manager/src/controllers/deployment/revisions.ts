// Revision numbers and the other annotations that a Deployment keeps on its ReplicaSets.
import type { Deployment, ReplicaSet } from "@skiff/api/types.ts";

/** Which revision of the template an object is; kubectl rollout reads it. */
export const REVISION = "deployment.kubernetes.io/revision";
/** The revisions that a ReplicaSet once was, before it was rolled back to. */
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
/** The Deployment's size when the ReplicaSet was last sized. */
export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
/** The same with the surge. */
export const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";

/** Annotations that are the Deployment's alone: upstream's annotationsToSkip. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  "deprecated.deployment.rollback.to",
]);

/** Upstream's maxRevHistoryLengthInChars. */
const MAX_HISTORY_LENGTH = 2000;

type Annotations = Readonly<Record<string, string>>;

/** The revision number that an object carries, of 63 bits as upstream's; 0 when it has none. */
function revisionOf(object: { readonly metadata: { readonly annotations?: Annotations | undefined } }): bigint {
  const text = object.metadata.annotations?.[REVISION];
  if (!text || !/^\d{1,19}$/.test(text)) return 0n;
  const revision = BigInt(text);
  return revision <= MAX_REVISION ? revision : 0n;
}

const MAX_REVISION = 2n ** 63n - 1n;

/** Lowest first; sets without a number come before all others. */
export function compareRevisions(a: Readonly<ReplicaSet>, b: Readonly<ReplicaSet>): number {
  const [left, right] = [revisionOf(a), revisionOf(b)];
  return left < right ? -1 : Number(left > right);
}

/** One above the highest there is. */
export function nextRevision(replicaSets: readonly Readonly<ReplicaSet>[]): bigint {
  const highest = replicaSets.toSorted(compareRevisions).at(-1);
  return (highest ? revisionOf(highest) : 0n) + 1n;
}

/** The annotations that the current ReplicaSet should have. An older revision number never replaces a newer one. */
export function annotationsForNewSet(
  deployment: Readonly<Deployment>,
  current: Annotations | undefined,
  revision: bigint,
): Record<string, string> {
  const result: Record<string, string> = { ...current };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!NOT_COPIED.has(key)) result[key] = value;
  }
  const before = current?.[REVISION];
  if (revisionOf({ metadata: { annotations: current } }) >= revision) return result;
  result[REVISION] = String(revision);
  if (before) result[REVISION_HISTORY] = extendHistory(current?.[REVISION_HISTORY], before);
  return result;
}

// The history says which revisions an object once was; it forgets from the front.
function extendHistory(history: string | undefined, revision: string): string {
  const parts = history ? [...history.split(","), revision] : [revision];
  while (parts.length > 1 && parts.join(",").length > MAX_HISTORY_LENGTH) parts.shift();
  return parts.join(",");
}

/** The sizes that proportional scaling compares with: what the Deployment asked for when this ReplicaSet was last sized. */
export function sizeAnnotations(desired: number, max: number): Record<string, string> {
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(max) };
}

/** A whole number from an annotation; undefined when absent or malformed. */
export function readCount(
  object: { readonly metadata: { readonly annotations?: Annotations | undefined } },
  key: string,
): number | undefined {
  const text = object.metadata.annotations?.[key];
  return text && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
