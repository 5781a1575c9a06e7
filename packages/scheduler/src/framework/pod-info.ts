// A pod with what scheduling asks of it again and again, computed once.
import { objectKey } from "@skiff/api/object.ts";
import type { HostPort } from "@skiff/api/scheduling/host-ports.ts";
import { hostPortsOf } from "@skiff/api/scheduling/host-ports.ts";
import type { ResourceAmounts } from "@skiff/api/scheduling/resources.ts";
import { podReservation } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";

export interface PodInfo {
  readonly pod: Readonly<Pod>;
  /** `namespace/name`. */
  readonly key: string;
  /** CPU in thousandths, everything else in whole units. */
  readonly requests: Readonly<ResourceAmounts>;
  /** For scores: as if each container that asks for nothing asked for a little. */
  readonly nonZero: CpuAndMemory;
  readonly ports: readonly HostPort[];
}

export interface CpuAndMemory {
  readonly cpu: number;
  readonly memory: number;
}

/** Upstream's assumption about containers without requests: 0.1 CPU and 200 MB. */
const DEFAULT_REQUESTS = { cpu: "100m", memory: String(200 * 1024 * 1024) };

export function podInfoOf(pod: Readonly<Pod>): PodInfo {
  const nonZero = podReservation(withDefaults(pod));
  return {
    pod,
    key: objectKey(pod),
    requests: podReservation(pod),
    nonZero: { cpu: nonZero.cpu ?? 0, memory: nonZero.memory ?? 0 },
    ports: hostPortsOf(pod),
  };
}

function withDefaults(pod: Readonly<Pod>): Pod {
  const fill = (container: Container): Container => {
    const { resources } = container;
    return { ...container, resources: { ...resources, requests: { ...DEFAULT_REQUESTS, ...resources?.requests } } };
  };
  const { containers, initContainers } = pod.spec;
  const filled = {
    containers: containers.map(fill),
    ...(initContainers && { initContainers: initContainers.map(fill) }),
  };
  return { ...pod, spec: { ...pod.spec, ...filled } };
}
