// The answers of /pods, what the kubelet should run, and /runningpods, what the runtime does run.
import type { Pod } from "@skiff/api/types.ts";
import { LABEL } from "../runtime/labels.ts";
import type { PodSummary } from "../runtime/runtime-reader.ts";
import type { KubeletServerDeps, PodSource } from "./deps.ts";

/** Without a resourceVersion: this is no list of the API's store. */
interface PodList {
  readonly kind: "PodList";
  readonly apiVersion: "v1";
  readonly metadata: object;
  readonly items: readonly object[];
}

/** With statuses, and static pods among them, which the API may not know yet. */
export function podList(pods: PodSource): PodList {
  return listOf(pods.list());
}

/** Asked of the runtime anew. Only names and images are told, as that is all the runtime knows. */
export async function runningPodList(runtime: Pick<KubeletServerDeps["runtime"], "list">): Promise<PodList> {
  const pods = [...(await runtime.list()).values()];
  return listOf(pods.map(runningPod).filter((pod) => pod.spec.containers.length > 0));
}

function runningPod({ uid, namespace, name, containers }: PodSummary) {
  const running = containers.filter((container) => container.state === "CONTAINER_RUNNING");
  return {
    metadata: { name, namespace, uid },
    spec: {
      containers: running.map(({ labels, image }) => ({
        name: labels[LABEL.containerName] ?? "",
        image: image?.image ?? "",
        resources: {},
      })),
    },
    status: {},
  };
}

function listOf(items: readonly (Readonly<Pod> | object)[]): PodList {
  return { kind: "PodList", apiVersion: "v1", metadata: {}, items };
}
