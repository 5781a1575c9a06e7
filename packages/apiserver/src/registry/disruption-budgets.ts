// What PodDisruptionBudgets say about evicting a pod, and the disruption that an allowed eviction uses up.
import { findCondition, isPodReady, isPodTerminal } from "@skiff/api/conditions.ts";
import { ApiError, forbidden, isConflict } from "@skiff/api/errors.ts";
import { selectorOf } from "@skiff/api/labels.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { Pod, PodDisruptionBudget, StatusCause } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { internalOptions, rulesFor } from "./internal-writer.ts";
import type { ResourceTable } from "./resource-table.ts";
import { updateObject } from "./update-object.ts";
import type { WriteDeps } from "./write-options.ts";

/** Leave to evict one pod. */
export interface Permit {
  /** The budget that guards the pod. */
  readonly budget?: string;
  /** The pod may go only as long as it is what it was: it was let go because it is not healthy. */
  readonly asIs: boolean;
}

/** Takes one disruption of the pod's budget, unless the pod may go without. Throws 429, 403, 500 or 504. */
export async function takeDisruption(
  deps: WriteDeps & { readonly resources: ResourceTable },
  pod: Readonly<Pod>,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<Permit> {
  const kind = deps.resources.require("policy", "poddisruptionbudgets");
  const scope = { type: "namespace", namespace: pod.metadata.namespace ?? "" } as const;
  const { objects } = await deps.storage.list(kind, scope);
  const budgets = objects.map((stored) => stored.object() as Readonly<PodDisruptionBudget>);
  const [budget, ...others] = budgets.filter((known) => guards(known, pod));
  if (!budget) return { asIs: false };
  // Two budgets cannot be changed in one write, and taking from one alone would cheat the other.
  if (others.length > 0) {
    const message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    throw new ApiError(500, "", message);
  }
  const { name } = budget.metadata;
  if (mayGoUnhealthy(pod, budget)) return { budget: name, asIs: true };
  await takeFrom(deps, kind, budget, pod.metadata.name, dryRun, signal);
  return { budget: name, asIs: false };
}

/** Pods that have ended, are ending or never began: budgets do not count them. */
export function isBeyondBudgets(pod: Readonly<Pod>): boolean {
  return isGone(pod) || pod.status?.phase === "Pending";
}

/** What such a pod is cannot change any more. */
export function isGone(pod: Readonly<Pod>): boolean {
  return isPodTerminal(pod) || pod.metadata.deletionTimestamp !== undefined;
}

/** Upstream's 429 for a budget that cannot tell yet: the client had better ask again. */
export function unsettled(budget: string): ApiError {
  return tooManyDisruptions(`The disruption budget ${budget} is still being processed by the server.`, 10);
}

/** An empty selector selects every pod of the namespace, an absent one none, since policy/v1. */
function guards({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  try {
    return selectorOf(spec?.selector).matches(metadata.labels);
  } catch {
    // A selector that nobody can read selects nothing.
    return false;
  }
}

/** An unready pod counts for nobody's health, so that its end costs the budget nothing. */
function mayGoUnhealthy(pod: Readonly<Pod>, { spec, status }: Readonly<PodDisruptionBudget>): boolean {
  if (isPodReady(pod)) return false;
  if (spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

/** The compare-and-swap of this write is what keeps two evictions at once from using one disruption twice. */
async function takeFrom(
  deps: WriteDeps,
  kind: StorageKind,
  { metadata: { namespace, name } }: Readonly<PodDisruptionBudget>,
  pod: string,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<void> {
  const next = (current: { copy(): KubeObject }) =>
    withDisruption(current.copy() as PodDisruptionBudget, pod, formatTime(deps.clock.now()));
  const update = { rules: rulesFor(kind, "status"), trusted: true, next };
  try {
    await updateObject(deps, kind, `${namespace}/${name}`, update, { ...internalOptions(signal, "status"), dryRun });
  } catch (error) {
    if (!isConflict(error)) throw error;
    const message = `Timeout: couldn't update PodDisruptionBudget "${name}" due to conflicts`;
    throw new ApiError(504, "Timeout", message, { retryAfterSeconds: 10 }, { cause: error });
  }
}

/** More evictions than this that the disruption controller has not seen are too many. */
const MAX_DISRUPTED_PODS = 2000;

/** The budget, which may be changed, with one disruption less. Throws when it has none to give. */
export function withDisruption(budget: PodDisruptionBudget, pod: string, now: string): PodDisruptionBudget {
  const { metadata, status = {} } = budget;
  const { disruptionsAllowed = 0, disruptedPods = {}, observedGeneration = 0 } = status;
  // The controller has not counted for the present spec yet, so that its numbers say nothing.
  if (observedGeneration < (metadata.generation ?? 0)) throw unsettled(metadata.name);
  if (disruptionsAllowed < 0) throw refused(metadata.name, "pdb disruptions allowed is negative");
  if (Object.keys(disruptedPods).length > MAX_DISRUPTED_PODS) {
    const why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
    throw refused(metadata.name, why);
  }
  if (disruptionsAllowed === 0) throw tooManyDisruptions(whyNone(budget));
  budget.status = {
    ...status,
    disruptionsAllowed: disruptionsAllowed - 1,
    // Until the controller sees the pod go, it counts this one as disrupted although it still looks healthy.
    disruptedPods: { ...disruptedPods, [pod]: now },
    ...(disruptionsAllowed === 1 ? { conditions: exhausted(status, now) } : {}),
  };
  return budget;
}

type BudgetStatus = NonNullable<PodDisruptionBudget["status"]>;

/** The condition in the words of the disruption controller, which would write the same at its next sync. */
function exhausted({ conditions = [], observedGeneration }: BudgetStatus, now: string): BudgetStatus["conditions"] {
  const before = findCondition(conditions, ALLOWED);
  const condition = {
    type: ALLOWED,
    status: "False",
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    lastTransitionTime: before?.status === "False" ? before.lastTransitionTime : now,
    reason: "InsufficientPods",
    message: "",
  };
  return before ? conditions.map((known) => (known === before ? condition : known)) : [...conditions, condition];
}

const ALLOWED = "DisruptionAllowed";

function whyNone({ metadata: { name }, status = {} }: PodDisruptionBudget): string {
  const { conditions, currentHealthy = 0, desiredHealthy = 0 } = status;
  const condition = findCondition(conditions, ALLOWED);
  const said = condition?.status === "False" && condition.message ? condition : undefined;
  const closed = `The disruption budget ${name} does not allow evicting pods currently`;
  // The counts of a failed sync are not to be trusted.
  if (said?.reason === "SyncFailed") return `${closed} because it failed sync: ${said.message}`;
  if (currentHealthy <= desiredHealthy) {
    return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  }
  return said ? `${closed} (${said.reason}): ${said.message}` : closed;
}

/** 429 is the code on which `kubectl drain` waits and tries again. */
function tooManyDisruptions(why: string, retryAfterSeconds?: number): ApiError {
  const message = "Cannot evict pod as it would violate the pod's disruption budget.";
  const details = { causes: [causeOf(why)], ...(retryAfterSeconds ? { retryAfterSeconds } : {}) };
  return new ApiError(429, "TooManyRequests", message, details);
}

/** 403: asking again does not help until somebody repairs the budget. */
function refused(budget: string, why: string): ApiError {
  const { code, reason, message, details } = forbidden({ group: "policy", plural: "poddisruptionbudget" }, budget, why);
  const cause = causeOf(`The disruption budget ${budget} does not allow evicting pods currently: ${why}`);
  return new ApiError(code, reason, message, { ...details, causes: [cause] });
}

function causeOf(message: string): StatusCause {
  return { reason: "DisruptionBudget", message };
}
