// The node's resource managers as the configuration asks for them.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { KubeletConfig } from "../config.ts";
import { DEFAULT_MAX_NUMA, MAX_NUMA_OPTION } from "../configuration/validate-resources.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { reservedMemoryBytes } from "../node/allocatable.ts";
import type { NodeShape } from "../node/node-shape.ts";
import type { Pleg } from "../pleg.ts";
import type { PodWorkers } from "../pod-workers.ts";
import { runningContainers } from "../runtime/runtime-pod.ts";
import type { RunningContainer } from "./cpu-pinner.ts";
import { ResourceManagers } from "./resource-managers.ts";
import { ResourceMetrics } from "./resource-metrics.ts";
import type { TopologyPolicy } from "./topology/merge-hints.ts";

/** Parts of the kubelet that exist before the managers, and two that come after. */
export interface ResourceManagersParts {
  readonly config: KubeletConfig;
  readonly node: NodeShape;
  readonly cri: Pick<CriClient, "updateContainerResources">;
  readonly pleg: Pick<Pleg, "get">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** Made after this. */
  workers(): Pick<PodWorkers, "active" | "wake">;
  onCapacity(): void;
}

/** The CPU and memory managers exist only under a static policy; devices are served on every node. */
export function makeResourceManagers(parts: ResourceManagersParts): ResourceManagers {
  const { config, node, cri, pleg, clock, log, onCapacity } = parts;
  const { settings } = config;
  const { kubeReserved, systemReserved } = node.reservation;
  const options = {
    rootDir: config["root-dir"],
    // Validated with the configuration.
    topologyPolicy: settings.topologyManagerPolicy as TopologyPolicy,
    topologyScope: settings.topologyManagerScope as "container" | "pod",
    maxNumaNodes: Number(settings.topologyManagerPolicyOptions[MAX_NUMA_OPTION] ?? DEFAULT_MAX_NUMA),
    preferClosestNodes: settings.topologyManagerPolicyOptions["prefer-closest-numa-nodes"] === "true",
    cpu:
      settings.cpuManagerPolicy === "static"
        ? {
            reservedCpus: settings.reservedSystemCPUs,
            reservedAmounts: [kubeReserved.cpu ?? "0", systemReserved.cpu ?? "0"],
            policyOptions: settings.cpuManagerPolicyOptions,
          }
        : undefined,
    reconcileMs: settings.cpuManagerReconcilePeriod,
    memory:
      settings.memoryManagerPolicy === "Static"
        ? {
            reserved: settings.reservedMemory,
            nodeReservedBytes: reservedMemoryBytes(node.size, node.reservation),
          }
        : undefined,
  };
  const pods = () => parts.workers().active();
  const running = (): RunningContainer[] =>
    pods().flatMap(({ metadata: { uid = "" } }) =>
      runningContainers(pleg.get(uid)).map(({ name, id }) => ({ podUid: uid, name, id })),
    );
  const updateContainer = cri.updateContainerResources.bind(cri);
  const managers = new ResourceManagers(options, {
    clock,
    log,
    metrics: new ResourceMetrics(parts.metrics),
    onCapacity: () => {
      onCapacity();
      // Their statuses tell of the devices' health.
      for (const uid of managers.devices.holders()) parts.workers().wake(uid);
    },
    pods,
    running,
    updateContainer,
  });
  return managers;
}
