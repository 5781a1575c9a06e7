// Feeds the pods that the API has bound to this node to their workers.
import { isDeepStrictEqual } from "node:util";
import type { Pod } from "@skiff/api/types.ts";
import type { Informer } from "@skiff/client/informer.ts";
import type { PodWorkers } from "./pod-workers.ts";
import { isMirrorPod, SOURCE_ANNOTATION } from "./static-pods/annotations.ts";
import type { MirrorPods } from "./static-pods/mirror-pods.ts";
import { isForeignCondition } from "./status/conditions.ts";
import type { StatusManager } from "./status/status-manager.ts";

/** Mirrors of static pods go to `mirrors`: they only show what the node runs anyway. */
export function feedPods(
  informer: Informer<Pod>,
  workers: PodWorkers,
  statuses: StatusManager,
  mirrors: MirrorPods,
): Disposable {
  // Told now of all that is known already, so that afterwards it is known which mirrors lack.
  const feed = informer.addHandler({
    onAdd: (pod) => (isMirrorPod(pod) ? mirrors.observe(pod) : workers.update(pod)),
    onUpdate(pod, old) {
      if (isMirrorPod(pod)) return mirrors.observe(pod);
      statuses.observe(pod);
      // The kubelet's own status writes come back here and call for nothing.
      if (isNews(pod, old)) workers.update(pod);
      else workers.note(pod);
    },
    onDelete: (pod) => (isMirrorPod(pod) ? mirrors.observe(pod, false) : workers.remove(pod)),
  });
  mirrors.synced();
  return feed;
}

/** Changes the object, which is fresh from the wire: who applied which field is large, and nothing on a node asks. */
export function withoutManagedFields<T extends { metadata: { managedFields?: unknown } }>(object: T): T {
  delete object.metadata.managedFields;
  return object;
}

/** Where a pod came from is the kubelet's to say: an object of the API must not pass for a static pod. */
export function withoutSource(pod: Pod): Pod {
  if (!isMirrorPod(pod)) delete pod.metadata.annotations?.[SOURCE_ANNOTATION];
  return withoutManagedFields(pod);
}

function isNews(pod: Readonly<Pod>, old: Readonly<Pod>): boolean {
  return !isDeepStrictEqual(relevantParts(pod), relevantParts(old));
}

/** Of the status, only conditions that others set count: readiness gates decide whether the pod is ready. */
function relevantParts({ metadata, spec, status }: Readonly<Pod>): unknown[] {
  const { labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, generation } = metadata;
  const gates = (status?.conditions ?? []).filter(({ type }) => isForeignCondition(type));
  return [labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, generation, spec, gates];
}
