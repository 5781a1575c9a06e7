// The pod garbage collector: removes finished pods beyond a threshold and pods that no kubelet will ever finish.
import { isNodeReady, isPodTerminal } from "@skiff/api/conditions.ts";
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import { nodes as nodesRef, pods as podsRef } from "@skiff/api/resource-ref.ts";
import type { Node, Pod, PodCondition } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { ControllerContext, ControllerDefinition } from "./controller-definition.ts";

/** Upstream's gcCheckPeriod. */
const PERIOD_MS = 20_000;
/** A node may be unknown for so long before its pods are orphans: informers of two kinds are not in step (quarantineTime). */
const QUARANTINE_MS = 40_000;
/** Set by people who know that a machine is off: its pods will not come back to life beside their replacements. */
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

/** Looks at all pods every 20 seconds: what it removes is in nobody's way. */
export const podGarbageCollector = {
  name: "pod-garbage-collector-controller",
  aliases: ["podgc", "pod-garbage-collector"],
  component: "pod-garbage-collector",
  serviceAccount: "pod-garbage-collector",
  async run(context, signal) {
    const pods = context.informers.pods();
    const nodes = context.informers.nodes();
    await Promise.all([pods.synced(signal), nodes.synced(signal)]);
    const collector = new PodCollector({ pods: pods.lister, nodes: nodes.lister }, context);
    while (!signal.aborted) {
      await collector.pass(signal).catch((error) => {
        if (!signal.aborted) context.log.warn({ err: error }, "pod collection failed, retrying");
      });
      await context.clock.sleep(PERIOD_MS, signal).catch(() => {});
    }
  },
} satisfies ControllerDefinition;

/** Lists may overlap: a pod that is gone by then is no error. */
export interface PodCollectionPlan {
  readonly finished: readonly Readonly<Pod>[];
  readonly outOfService: readonly Readonly<Pod>[];
  /** Of nodes that the cache does not know; each node is to be verified live. */
  readonly orphaned: ReadonlyMap<string, readonly Readonly<Pod>[]>;
  readonly unscheduled: readonly Readonly<Pod>[];
}

/** What could be removed; `threshold` of 0 or less keeps all finished pods. */
export function planPodCollection(
  pods: readonly Readonly<Pod>[],
  nodes: readonly Readonly<Node>[],
  threshold: number,
): PodCollectionPlan {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  const orphaned = new Map<string, Readonly<Pod>[]>();
  const outOfService: Readonly<Pod>[] = [];
  for (const pod of pods) {
    const name = pod.spec?.nodeName;
    const node = name ? byName.get(name) : undefined;
    if (name && !node) orphaned.set(name, [...(orphaned.get(name) ?? []), pod]);
    if (node && pod.metadata.deletionTimestamp && isOutOfService(node)) outOfService.push(pod);
  }
  const unscheduled = pods.filter((pod) => pod.metadata.deletionTimestamp && !pod.spec?.nodeName);
  return { finished: surplusFinished(pods, threshold), outOfService, orphaned, unscheduled };
}

function surplusFinished(pods: readonly Readonly<Pod>[], threshold: number): Readonly<Pod>[] {
  if (threshold <= 0) return [];
  const finished = pods.filter(isPodTerminal);
  const surplus = finished.length - threshold;
  return surplus <= 0 ? [] : finished.toSorted(byEvictionThenAge).slice(0, surplus);
}

// Evicted pods tell least, so they go first; then the oldest, those of one second by name.
function byEvictionThenAge(a: Readonly<Pod>, b: Readonly<Pod>): number {
  const evicted = (pod: Readonly<Pod>) => (pod.status?.reason === "Evicted" ? 0 : 1);
  const age = (pod: Readonly<Pod>) => `${pod.metadata.creationTimestamp} ${pod.metadata.name}`;
  return evicted(a) - evicted(b) || (age(a) < age(b) ? -1 : 1);
}

function isOutOfService(node: Readonly<Node>): boolean {
  return !isNodeReady(node) && (node.spec?.taints ?? []).some((taint) => taint.key === OUT_OF_SERVICE);
}

/**
 * Keeps only since when nodes have been missing; a restart begins that count anew, which delays a removal and never
 * hastens one.
 */
class PodCollector {
  private readonly listers: { readonly pods: Lister<Pod>; readonly nodes: Lister<Node> };
  private readonly context: ControllerContext;
  /** Since when a node has been unknown. */
  private readonly missingSince = new Map<string, number>();

  constructor(listers: { readonly pods: Lister<Pod>; readonly nodes: Lister<Node> }, context: ControllerContext) {
    this.listers = listers;
    this.context = context;
  }

  async pass(signal: AbortSignal): Promise<void> {
    const { pods, nodes } = this.listers;
    const plan = planPodCollection(pods.list(), nodes.list(), this.context.config.terminatedPodGcThreshold);
    for (const pod of plan.finished) await this.remove(pod, undefined, signal);
    for (const pod of plan.outOfService) await this.remove(pod, undefined, signal);
    for (const [node, orphans] of plan.orphaned) {
      if (!(await this.isGone(node, signal))) continue;
      for (const pod of orphans) await this.remove(pod, "PodGC: node no longer exists", signal);
    }
    // A node that came back is forgotten, so that its next absence gets the full time.
    for (const node of this.missingSince.keys()) if (!plan.orphaned.has(node)) this.missingSince.delete(node);
    for (const pod of plan.unscheduled) await this.remove(pod, undefined, signal);
  }

  private async isGone(node: string, signal: AbortSignal): Promise<boolean> {
    const now = this.context.clock.monotonic();
    const since = this.missingSince.get(node) ?? now;
    this.missingSince.set(node, since);
    if (now - since < QUARANTINE_MS) return false;
    // The cache may have missed a node that was just added: only the server's own word counts.
    try {
      await this.context.client.of(nodesRef).get("", node, { signal });
      return false;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  /** Marks the pod Failed unless it has ended, so that its owner sees an end, then deletes it at once. */
  private async remove(pod: Readonly<Pod>, disruption: string | undefined, signal: AbortSignal): Promise<void> {
    const { log, client, clock } = this.context;
    const { namespace = "", name, uid } = pod.metadata;
    try {
      // Two writes: after a crash between them the pod is found again, ended, and only deleted.
      if (!isPodTerminal(pod)) {
        const body = { metadata: { uid }, status: failedStatus(disruption, clock.now()) };
        await client.of(podsRef).patch(namespace, name, "strategic", body, { signal, subresource: "status" });
      }
      await client.of(podsRef).delete(namespace, name, { uid, gracePeriodSeconds: 0 }, { signal });
      log.info({ pod: `${namespace}/${name}` }, "pod collected");
    } catch (error) {
      if (signal.aborted) throw error;
      // One pod that cannot go must not keep the others.
      if (!isNotFound(error) && !isConflict(error))
        log.warn({ pod: `${namespace}/${name}`, err: error }, "pod not collected");
    }
  }
}

function failedStatus(disruption: string | undefined, nowMs: number): { phase: string; conditions?: PodCondition[] } {
  if (!disruption) return { phase: "Failed" };
  const condition: PodCondition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "DeletionByPodGC",
    message: disruption,
    lastTransitionTime: formatTime(nowMs),
  };
  return { phase: "Failed", conditions: [condition] };
}
