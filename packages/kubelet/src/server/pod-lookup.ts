// Finds what a path of the kubelet's API names, or refuses in upstream's words.
import type { Container, Pod } from "@skiff/api/types.ts";
import type { PodSource } from "./deps.ts";
import { HttpError } from "./http-error.ts";

/** Throws HttpError 404. */
export function findPod(pods: PodSource, namespace: string, name: string, uid?: string): Readonly<Pod> {
  const pod = pods.find(namespace, name, uid);
  if (!pod) throw new HttpError(404, `pod "${name}" does not exist`);
  return pod;
}

/** Also looks among the init and ephemeral containers; throws HttpError 404. */
export function requireContainer(pod: Readonly<Pod>, name: string): Container {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const found = [...containers, ...initContainers, ...ephemeralContainers].find((container) => container.name === name);
  if (!found) throw new HttpError(404, `container "${name}" not found in pod "${pod.metadata.name}"`);
  return found;
}
