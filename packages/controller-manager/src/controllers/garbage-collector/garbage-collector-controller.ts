// The garbage collector: deletes what its owners left behind, in the background, in the foreground, or not at all.

import type { ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { Collector } from "./collector.ts";
import type { GraphWork } from "./owner-graph.ts";
import { OwnerGraph } from "./owner-graph.ts";
import { RESYNC_MS, ResourceMonitors } from "./resource-monitors.ts";

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
    const resync = () =>
      monitors.resync(signal).catch((error) => {
        if (!signal.aborted) log.warn({ err: error }, "resources could not be discovered, retrying");
      });
    const follow = async () => {
      while (!signal.aborted) {
        await clock.sleep(RESYNC_MS, signal).catch(() => {});
        if (!signal.aborted) await resync();
      }
      await monitors.ended();
    };
    await resync();
    // Judging with half a graph would be safe but wasteful: each unknown owner costs a read.
    await monitors.synced(signal);
    const collector = new Collector(
      { graph, enqueue, resourceOf: (apiVersion, kind) => monitors.resourceOf(apiVersion, kind) },
      context,
    );
    const options = { signal, log, name: this.name };
    await Promise.all([
      follow(),
      runReconciler(deletions, config.concurrentGcSyncs, (uid, stop) => collector.attemptToDelete(uid, stop), options),
      runReconciler(orphans, config.concurrentGcSyncs, (uid, stop) => collector.attemptToOrphan(uid, stop), options),
    ]);
  },
} satisfies ControllerDefinition;
