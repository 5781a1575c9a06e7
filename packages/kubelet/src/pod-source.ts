// Feeds the pods that the API has bound to this node to their workers.
import { isDeepStrictEqual } from "node:util";
import type { Pod } from "@skiff/api/types.ts";
import type { Informer } from "@skiff/client/informer.ts";
import type { PodWorkers } from "./pod-workers.ts";
import { isForeignCondition } from "./status/conditions.ts";
import type { StatusManager } from "./status/status-manager.ts";

export function feedPods(informer: Informer<Pod>, workers: PodWorkers, statuses: StatusManager): Disposable {
  return informer.addHandler({
    onAdd: (pod) => workers.update(pod),
    onUpdate(pod, old) {
      statuses.observe(pod);
      // The kubelet's own status writes come back here and call for nothing.
      if (isNews(pod, old)) workers.update(pod);
      else workers.note(pod);
    },
    onDelete: (pod) => workers.remove(pod),
  });
}

function isNews(pod: Readonly<Pod>, old: Readonly<Pod>): boolean {
  return !isDeepStrictEqual(relevantParts(pod), relevantParts(old));
}

function relevantParts({ metadata, spec, status }: Readonly<Pod>): unknown[] {
  const { labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, generation } = metadata;
  const gates = (status?.conditions ?? []).filter(({ type }) => isForeignCondition(type));
  return [labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, generation, spec, gates];
}
