// Which of a pod's containers in the runtime a log request means, and why there is none. Pure.
import type { ContainerStatus, Pod } from "@skiff/api/types.ts";
import type { RuntimeContainer, RuntimePod } from "../../runtime/runtime-pod.ts";
import { HttpError } from "../http-error.ts";

/** Throws HttpError 400 in upstream's words when there is no such log. */
export function chooseLogContainer(
  pod: Readonly<Pod>,
  runtime: RuntimePod,
  name: string,
  previous: boolean,
): RuntimeContainer {
  // One that was only made has written nothing and never may.
  const started = runtime.containers.filter((one) => one.name === name && one.state !== "created");
  const status = statusOf(pod, name);
  if (!previous) {
    if (started[0]) return started[0];
    throw new HttpError(400, whyNoLog(pod, name, status));
  }
  // Between two starts the one that ended last is the previous one already.
  const isBetween = started[0]?.state === "exited" && status?.state?.waiting !== undefined;
  const chosen = isBetween ? started[0] : started[1];
  if (chosen) return chosen;
  throw new HttpError(400, `previous terminated container "${name}" in pod "${pod.metadata.name}" not found`);
}

function statusOf({ status }: Readonly<Pod>, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status ?? {};
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  return all.find((one) => one.name === name);
}

/** What `kubectl logs` prints as "Error from server (BadRequest)". */
function whyNoLog(pod: Readonly<Pod>, name: string, status: ContainerStatus | undefined): string {
  const subject = `container "${name}" in pod "${pod.metadata.name}"`;
  if (!status) return `${subject} is not available`;
  if (status.state?.terminated) return `${subject} is terminated`;
  const reason = status.state?.waiting?.reason;
  if (reason === "ErrImagePull") return `${subject} is waiting to start: image can't be pulled`;
  if (reason === "ImagePullBackOff") return `${subject} is waiting to start: trying and failing to pull image`;
  return reason ? `${subject} is waiting to start: ${reason}` : `${subject} is waiting to start - no logs yet`;
}
