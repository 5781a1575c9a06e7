// The labels and annotations by which a kubelet knows its own sandboxes and containers, with upstream's keys.

import { fnv1a32 } from "@skiff/api/hash.ts";
import type { Container, Pod } from "@skiff/api/types.ts";

/** `crictl` and log collectors find a pod's containers by these. */
export const LABEL = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUid: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
} as const;

/** What a later kubelet must know of a container without the pod's object, which may be gone by then. */
export const ANNOTATION = {
  hash: "io.kubernetes.container.hash",
  restartCount: "io.kubernetes.container.restartCount",
  terminationMessagePath: "io.kubernetes.container.terminationMessagePath",
  terminationMessagePolicy: "io.kubernetes.container.terminationMessagePolicy",
  preStop: "io.kubernetes.container.preStopHandler",
  ports: "io.kubernetes.container.ports",
  gracePeriod: "io.kubernetes.pod.terminationGracePeriod",
} as const;

/** Of a sandbox: the pod's own labels too, but the kubelet's keys win over them. */
export function podLabels(pod: Pod): Record<string, string> {
  const { name, namespace = "", uid = "" } = pod.metadata;
  return { ...pod.metadata.labels, [LABEL.podName]: name, [LABEL.podNamespace]: namespace, [LABEL.podUid]: uid };
}

/** Of a container: the pod's own labels stay with the sandbox. */
export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  const { name, namespace = "", uid = "" } = pod.metadata;
  return {
    [LABEL.containerName]: container.name,
    [LABEL.podName]: name,
    [LABEL.podNamespace]: namespace,
    [LABEL.podUid]: uid,
  };
}

/** Read back by runtime-pod.ts. */
export function containerAnnotations(pod: Pod, container: Container, restartCount: number): Record<string, string> {
  const grace = pod.spec?.terminationGracePeriodSeconds;
  const preStop = container.lifecycle?.preStop;
  return {
    [ANNOTATION.hash]: containerHash(container),
    [ANNOTATION.restartCount]: String(restartCount),
    [ANNOTATION.terminationMessagePath]: container.terminationMessagePath ?? "/dev/termination-log",
    [ANNOTATION.terminationMessagePolicy]: container.terminationMessagePolicy ?? "File",
    ...(container.ports ? { [ANNOTATION.ports]: JSON.stringify(container.ports) } : {}),
    ...(grace === undefined ? {} : { [ANNOTATION.gracePeriod]: String(grace) }),
    // Kept with the container so that its hook runs even when the pod's spec is no longer to be had.
    ...(preStop ? { [ANNOTATION.preStop]: JSON.stringify(preStop) } : {}),
  };
}

/** Changes when, and only when, a running container must be replaced: as upstream, for its name and image alone. */
export function containerHash(container: Pick<Container, "name" | "image">): string {
  return fnv1a32(JSON.stringify({ image: container.image, name: container.name })).toString(16);
}
