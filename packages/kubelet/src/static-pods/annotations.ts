// Upstream's annotations by which static pods and their mirrors are known.
import type { Pod } from "@skiff/api/types.ts";

/** On a mirror: the hash of the static pod that it shows. */
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
/** On a static pod: what its manifest and place come to, which is its UID as well. */
export const HASH_ANNOTATION = "kubernetes.io/config.hash";
/** `file` or `http`; an object of the API that claims a source loses the claim. */
export const SOURCE_ANNOTATION = "kubernetes.io/config.source";
/** When the kubelet first saw the pod. */
export const SEEN_ANNOTATION = "kubernetes.io/config.seen";

/** Whether the API's pod only shows what a static pod of some node does. */
export function isMirrorPod(pod: Readonly<Pod>): boolean {
  return pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
}

/** The kubelet writes the source itself, over whatever an API object claims. */
export function isStaticPod(pod: Readonly<Pod>): boolean {
  const source = pod.metadata.annotations?.[SOURCE_ANNOTATION];
  return (source === "file" || source === "http") && !isMirrorPod(pod);
}

const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

/** Neither evicted nor turned away for want of room: static pods, and those of the system's priority classes. */
export function isCriticalPod(pod: Readonly<Pod>): boolean {
  return isStaticPod(pod) || isMirrorPod(pod) || (pod.spec?.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY;
}
