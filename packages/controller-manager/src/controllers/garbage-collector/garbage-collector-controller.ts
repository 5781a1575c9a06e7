// The garbage collector: deletes what its owners left behind, in the background, in the foreground, or not at all.

import type { Logger } from "@skiff/component-base/logger.ts";
import type { ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { Collector } from "./collector.ts";
import type { GraphWork } from "./owner-graph.ts";
import { OwnerGraph } from "./owner-graph.ts";
import { ResourceMonitors } from "./resource-monitors.ts";

/** Upstream's pace of discovery (the period that startGarbageCollectorController gives to Sync). */
const RESYNC_MS = 30_000;
/** The same until discovery has answered once. */
const FIRST_RETRY_MS = 1000;
/** How long to wait for the first lists; upstream's initialSyncTimeout. */
const SYNC_TIMEOUT_MS = 30_000;

/** Keys of its queues are UIDs: names come back, UIDs do not. */
export const garbageCollectorController = {
  name: "garbage-collector-controller",
  aliases: ["garbagecollector", "garbage-collector"],
  component: "garbage-collector-controller",
  serviceAccount: "generic-garbage-collector",
  async run(context, signal) {
    const { config, clock, log } = context;
    if (!config.enableGarbageCollector) return;
    const graph = new OwnerGraph();
    using deletions = context.newQueue("garbage_collector_attempt_to_delete");
    using orphans = context.newQueue("garbage_collector_attempt_to_orphan");
    const enqueue = ({ attemptToDelete, attemptToOrphan }: GraphWork) => {
      for (const { identity } of attemptToDelete) deletions.add(identity.uid);
      for (const { identity } of attemptToOrphan) orphans.add(identity.uid);
    };
    const monitors = new ResourceMonitors(context, {
      onObject: (object) => enqueue(graph.observe(object)),
      onGone: (object) => enqueue(graph.remove(object.metadata.uid)),
      onKindGone: (apiVersion, kind) => enqueue(graph.removeKind(apiVersion, kind)),
    });
    const follow = async () => {
      let isKnown = false;
      while (!signal.aborted) {
        isKnown = (await resync(monitors, log, signal)) || isKnown;
        await clock.sleep(isKnown ? RESYNC_MS : FIRST_RETRY_MS, signal).catch(() => {});
      }
      await monitors.ended();
    };
    const following = follow();
    // Judging with half a graph is safe but wasteful: each unknown owner costs a read. One resource that cannot be listed must not stop it all.
    await Promise.race([monitors.synced(signal), clock.sleep(SYNC_TIMEOUT_MS, signal)]);
    const collector = new Collector(
      { graph, enqueue, resourceOf: (apiVersion, kind) => monitors.resourceOf(apiVersion, kind) },
      context,
    );
    const options = { signal, log, name: this.name };
    await Promise.all([
      following,
      runReconciler(deletions, config.concurrentGcSyncs, (uid, stop) => collector.attemptToDelete(uid, stop), options),
      runReconciler(orphans, config.concurrentGcSyncs, (uid, stop) => collector.attemptToOrphan(uid, stop), options),
    ]);
  },
} satisfies ControllerDefinition;

/** True when discovery answered. */
async function resync(monitors: ResourceMonitors, log: Logger, signal: AbortSignal): Promise<boolean> {
  try {
    await monitors.resync(signal);
    return true;
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error }, "resources could not be discovered, retrying");
    return false;
  }
}
