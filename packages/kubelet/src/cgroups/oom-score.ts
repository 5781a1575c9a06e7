// Which container the kernel ends first when the node runs out of memory. Pure.
import { quantityValue } from "@skiff/api/quantity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { containersRequests, isSidecar } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";

/** Upstream's scores, of the kernel's range from -1000, never killed, to 1000, killed first. */
const GUARANTEED = -997;
const BEST_EFFORT = 1000;

/** Who dies first when the node runs out of memory: those that asked for least of it. */
export function oomScoreAdjust(pod: Pod, container: Container, memoryCapacity: number): number {
  const priority = pod.spec?.priority ?? 0;
  // Node-critical pods are protected like guaranteed ones.
  if (priority >= 2_000_000_000) return GUARANTEED;
  const qos = podQos(pod);
  if (qos === "Guaranteed") return GUARANTEED;
  if (qos === "BestEffort") return BEST_EFFORT;
  const share = unclaimedShare(pod);
  const scoreOf = (bytes: number) => 1000 - Math.floor((1000 * (bytes + share)) / memoryCapacity);
  const own = scoreOf(memoryRequest(container));
  // A sidecar serves the others, so it never goes before the first of them.
  const isHelper = (pod.spec.initContainers ?? []).some(({ name }) => name === container.name) && isSidecar(container);
  const score = isHelper ? Math.min(own, scoreOf(Math.min(...pod.spec.containers.map(memoryRequest)))) : own;
  // The more of the node's memory a container asked for, the later it dies; always after BestEffort, never before
  // Guaranteed.
  if (score < 1000 + GUARANTEED) return 1000 + GUARANTEED;
  return score === BEST_EFFORT ? BEST_EFFORT - 1 : score;
}

/** What the pod as a whole asks for beyond its containers counts for each of them alike. */
function unclaimedShare(pod: Pod): number {
  const asked = pod.spec.resources?.requests?.memory;
  if (asked === undefined || quantityValue(asked) === 0) return 0;
  const count = pod.spec.containers.length + (pod.spec.initContainers ?? []).length;
  return Math.trunc((quantityValue(asked) - (containersRequests(pod).memory ?? 0)) / count);
}

function memoryRequest({ resources }: Container): number {
  return resources?.requests?.memory ? quantityValue(resources.requests.memory) : 0;
}
