// The disruption controller: keeps count, for every PodDisruptionBudget, of how many of its pods may be evicted now.
import { findCondition } from "@skiff/api/conditions.ts";
import { isNotFound } from "@skiff/api/errors.ts";
import { stableStringify } from "@skiff/api/hash.ts";
import { selectorOf } from "@skiff/api/labels.ts";
import { objectKey, splitKey } from "@skiff/api/object.ts";
import { podDisruptionBudgets as budgetsRef, pods as podsRef } from "@skiff/api/resource-ref.ts";
import type { Pod, PodDisruptionBudget } from "@skiff/api/types.ts";
import type { InformerHandler, Lister } from "@skiff/client/informer.ts";
import type { WorkQueue } from "@skiff/client/work-queue.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import type { BudgetStatus } from "./budget-status.ts";
import { EVICTION_TIMEOUT_MS, failedBudgetStatus, planBudgetStatus } from "./budget-status.ts";
import { countPods } from "./count-pods.ts";
import type { ScaleListers } from "./find-scale.ts";
import { scaleFinder } from "./find-scale.ts";

/** Looks at a budget when it or one of its pods changes, and again when an eviction has led to nothing. */
export const disruptionController = {
  name: "disruption-controller",
  aliases: ["disruption"],
  component: "controllermanager",
  serviceAccount: "disruption-controller",
  async run(context, signal) {
    const { informers } = context;
    const [budgets, pods] = [informers.podDisruptionBudgets(), informers.pods()];
    const scales = [
      informers.replicaSets(),
      informers.deployments(),
      informers.replicationControllers(),
      informers.statefulSets(),
    ] as const;
    using queue = context.newQueue();
    using stale = context.newQueue("stale-disruption");
    const enqueue = (budget: Readonly<PodDisruptionBudget>) => queue.add(objectKey(budget));
    using _budgets = budgets.addHandler({ onAdd: enqueue, onUpdate: enqueue });
    using _pods = pods.addHandler(budgetsOfPods(budgets.lister, enqueue));
    using _marks = pods.addHandler(staleMarks(stale, context));
    await Promise.all([budgets, pods, ...scales].map((informer) => informer.synced(signal)));
    const [replicaSets, deployments, replicationControllers, statefulSets] = scales;
    const listers = {
      budgets: budgets.lister,
      pods: pods.lister,
      replicaSets: replicaSets.lister,
      deployments: deployments.lister,
      replicationControllers: replicationControllers.lister,
      statefulSets: statefulSets.lister,
    };
    const sync = new BudgetSync(listers, queue, context);
    const options = { signal, log: context.log, name: this.name };
    await Promise.all([
      runReconciler(queue, 1, (key, stop) => sync.sync(key, stop), options),
      runReconciler(stale, 1, (key, stop) => clearStaleMark(key, pods.lister, context, stop), options),
    ]);
  },
} satisfies ControllerDefinition;

function budgetsOfPods(
  lister: Lister<PodDisruptionBudget>,
  enqueue: (budget: Readonly<PodDisruptionBudget>) => void,
): InformerHandler<Pod> {
  const seen = (...versions: readonly Readonly<Pod>[]) => {
    for (const budget of lister.list(versions[0]?.metadata.namespace)) {
      const selector = selectorOf(budget.spec?.selector);
      if (versions.some((pod) => selector.matches(pod.metadata.labels))) enqueue(budget);
    }
  };
  return { onAdd: seen, onUpdate: seen, onDelete: seen };
}

interface Listers extends ScaleListers {
  readonly budgets: Lister<PodDisruptionBudget>;
  readonly pods: Lister<Pod>;
}

/** One pass over one budget. The eviction API itself counts disruptionsAllowed down, in the same status. */
class BudgetSync {
  private readonly listers: Listers;
  private readonly queue: WorkQueue<string>;
  private readonly context: ControllerContext;

  constructor(listers: Listers, queue: WorkQueue<string>, context: ControllerContext) {
    this.listers = listers;
    this.queue = queue;
    this.context = context;
  }

  async sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const budget = this.listers.budgets.get(namespace, name);
    if (!budget) return;
    const selector = selectorOf(budget.spec?.selector);
    const pods = this.listers.pods.list(namespace).filter((pod) => selector.matches(pod.metadata.labels));
    if (pods.length === 0) this.tell(budget, "Normal", "NoPods", "No matching pods found");
    let status: BudgetStatus;
    try {
      const counts = await countPods(budget, pods, scaleFinder(this.listers, this.context.client, signal));
      if (counts.unmanaged.length > 0) this.tellUnmanaged(budget, counts.unmanaged);
      const plan = planBudgetStatus(budget, pods, counts, this.context.clock.now());
      if (plan.recheckAfterMs !== undefined) this.queue.addAfter(key, plan.recheckAfterMs);
      status = plan.status;
    } catch (error) {
      if (signal.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      const message = `Failed to calculate the number of expected pods: ${why}`;
      this.tell(budget, "Warning", "CalculateExpectedPodCountFailed", message);
      await this.write(budget, failedBudgetStatus(budget, why, this.context.clock.now()), signal);
      throw error;
    }
    await this.write(budget, status, signal);
  }

  // An update, not a patch: the apiserver takes disruptions meanwhile, and none of them may be overwritten.
  private async write(budget: Readonly<PodDisruptionBudget>, status: BudgetStatus, signal: AbortSignal): Promise<void> {
    if (stableStringify(budget.status ?? {}) === stableStringify(status)) return;
    try {
      await this.context.client.of(budgetsRef).updateStatus({ ...budget, status }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private tellUnmanaged(budget: Readonly<PodDisruptionBudget>, names: readonly string[]): void {
    const some = names.slice(0, 10).join(", ");
    const message = `Nobody controls these pods, so they do not count: ${some}. A budget for them needs a minAvailable that is a plain number.`;
    this.tell(budget, "Warning", "UnmanagedPods", message);
  }

  private tell(object: Readonly<PodDisruptionBudget>, type: "Normal" | "Warning", reason: string, text: string): void {
    this.context.recorder.record({ ref: budgetsRef, object }, type, reason, text);
  }
}

const DISRUPTION_TARGET = "DisruptionTarget";

/** Pods that were told that they are about to be disrupted, and then were not. */
function staleMarks(queue: WorkQueue<string>, { clock }: Pick<ControllerContext, "clock">): InformerHandler<Pod> {
  const seen = (pod: Readonly<Pod>) => {
    const since = markedSince(pod);
    if (since !== undefined) queue.addAfter(objectKey(pod), Math.max(0, since + EVICTION_TIMEOUT_MS - clock.now()));
  };
  return { onAdd: seen, onUpdate: seen };
}

async function clearStaleMark(
  key: string,
  lister: Lister<Pod>,
  { client, clock }: Pick<ControllerContext, "client" | "clock">,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name } = splitKey(key);
  const pod = lister.get(namespace, name);
  const since = pod && markedSince(pod);
  // What changed meanwhile brought an event, and so a time of its own.
  if (!pod || since === undefined || clock.now() < since + EVICTION_TIMEOUT_MS) return;
  const condition = { type: DISRUPTION_TARGET, status: "False", lastTransitionTime: formatTime(clock.now()) };
  const conditions = (pod.status?.conditions ?? []).map((known) =>
    known.type === DISRUPTION_TARGET ? condition : known,
  );
  try {
    await client.of(podsRef).updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

function markedSince(pod: Readonly<Pod>): number | undefined {
  const condition = findCondition(pod.status?.conditions, DISRUPTION_TARGET);
  if (condition?.status !== "True" || pod.metadata.deletionTimestamp) return undefined;
  return Date.parse(condition.lastTransitionTime ?? "") || 0;
}
