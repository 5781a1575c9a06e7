// The pod workers with all that a pod's life goes through: syncer, container starter, cleanup.
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Service } from "@skiff/api/types.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import type { PodResizer } from "./allocation/pod-resizer.ts";
import type { MachineLimits } from "./cgroups/machine-limits.ts";
import type { PodCgroups } from "./cgroups/pod-cgroups.ts";
import type { KubeletConfig } from "./config.ts";
import type { PodEvents } from "./events/pod-events.ts";
import type { ImageManager } from "./images/image-manager.ts";
import type { Parts } from "./kubelet.ts";
import type { KubeletMetrics } from "./metrics/kubelet-metrics.ts";
import type { NodeAdmission } from "./node-admission.ts";
import type { Pleg } from "./pleg.ts";
import { PodCleanup } from "./pod-cleanup.ts";
import { PodSyncer } from "./pod-syncer.ts";
import { PodWorkers } from "./pod-workers.ts";
import type { ProbeManager } from "./probes/probe-manager.ts";
import type { ResourceManagers } from "./resource-managers/resource-managers.ts";
import { ContainerStarter } from "./runtime/container-starter.ts";
import { parseResolvConf } from "./runtime/dns.ts";
import type { GarbageCollector } from "./runtime/garbage-collector.ts";
import type { LifecycleHooks } from "./runtime/lifecycle-hooks.ts";
import type { PodKiller } from "./runtime/pod-killer.ts";
import { RuntimeClasses } from "./runtime/runtime-classes.ts";
import type { RuntimeReader } from "./runtime/runtime-reader.ts";
import type { StartGate } from "./runtime/start-gate.ts";
import type { StatusManager } from "./status/status-manager.ts";
import type { PodUserNamespaces } from "./user-namespaces/pod-user-namespaces.ts";
import type { ObjectCache } from "./volumes/object-cache.ts";
import type { TokenManager } from "./volumes/token-manager.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

/** The parts of the kubelet that workers act through. */
export interface WorkerParts extends Pick<Parts, "client" | "cri" | "paths"> {
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups;
  readonly killer: PodKiller;
  readonly probes: ProbeManager;
  readonly events: PodEvents;
  readonly images: ImageManager;
  readonly objects: ObjectCache;
  readonly tokens: TokenManager;
  readonly statuses: StatusManager;
  readonly collector: GarbageCollector;
  readonly gate: StartGate;
  readonly hooks: LifecycleHooks;
  readonly resizer: PodResizer;
  readonly resources: ResourceManagers;
  readonly pleg: Pleg;
  readonly reader: RuntimeReader;
  readonly admission: NodeAdmission;
  readonly limits: MachineLimits;
  readonly kubeletMetrics: KubeletMetrics;
  allocatable(): Readonly<Record<string, string>>;
  services(): readonly Service[];
}

/** The syncer comes along for the housekeeper, which forgets its old delays. */
export function makePodWorkers(
  config: KubeletConfig,
  context: ProgramContext,
  parts: WorkerParts,
): { readonly syncer: PodSyncer; readonly workers: PodWorkers } {
  const { admission, pleg, objects, statuses, probes, events, killer, resizer, kubeletMetrics } = parts;
  const { clock, log, signal } = context;
  const syncer = makeSyncer(config, context, parts);
  const cleanup = new PodCleanup(parts);
  const workers = new PodWorkers(
    {
      ...{ syncer, killer, statuses, probes, events, resizer, admission, clock, log },
      hostIps: config.nodeIps,
      metrics: kubeletMetrics,
      resyncMs: config.settings.syncFrequency,
      health: (uid, container) => parts.resources.devices.health(uid, container),
      runtime: (uid) => pleg.get(uid),
      refresh: (uid) => pleg.refresh(uid),
      register: (pod) => objects.register(pod),
      release: (uid) => cleanup.release(uid),
      purge: ({ metadata }) =>
        cleanup.purge(metadata.uid ?? "", { name: metadata.name, namespace: metadata.namespace ?? "" }),
    },
    signal,
  );
  return { syncer, workers };
}

function makeSyncer(config: KubeletConfig, { clock, log }: ProgramContext, parts: WorkerParts): PodSyncer {
  const { cri, paths, client, volumes, cgroups, killer, probes, events, gate, resizer, pleg, reader } = parts;
  const clusterDomain = config["cluster-domain"];
  return new PodSyncer({
    ...{ cri, reader, killer, volumes, cgroups, probes, events, gate, resizer, paths, clock, log, clusterDomain },
    starter: makeStarter(config, log, parts),
    runtimeClasses: new RuntimeClasses(client),
    quotas: parts.limits.quotas,
    userNamespaces: lazyUserNamespaces(config, parts),
    maxRestartDelayMs: config.settings["crashLoopBackOff.maxContainerRestartPeriod"],
    nodeName: config.nodeName,
    hostIps: config.nodeIps,
    dns: async () => ({
      clusterDns: config["cluster-dns"],
      clusterDomain,
      node: parseResolvConf(readFileSync(config["resolv-conf"] || "/dev/null", "utf8")),
    }),
    allocatable: parts.allocatable,
    runtime: (uid) => pleg.get(uid),
  });
}

/** Loaded with the first pod that has users of its own. */
function lazyUserNamespaces(config: KubeletConfig, { cri, paths }: WorkerParts): () => Promise<PodUserNamespaces> {
  const { maxPods, "userNamespaces.idsPerPod": idsPerPod } = config.settings;
  let loaded: Promise<PodUserNamespaces> | undefined;
  const load = async () => {
    const { PodUserNamespaces } = await import("./user-namespaces/pod-user-namespaces.ts");
    const { kubeletIds } = await import("./user-namespaces/kubelet-ids.ts");
    return new PodUserNamespaces({ cri, paths, pool: () => kubeletIds(idsPerPod, maxPods), random: randomInt });
  };
  return () => {
    loaded ??= load();
    return loaded;
  };
}

function makeStarter(config: KubeletConfig, log: ProgramContext["log"], parts: WorkerParts): ContainerStarter {
  const { cri, paths, volumes, images, objects, events, hooks, killer, limits, resources, services } = parts;
  return new ContainerStarter({
    ...{ cri, paths, volumes, images, objects, events, hooks, killer, limits, services, log },
    clusterDomain: config["cluster-domain"],
    seccompRoot: config["seccomp-profile-root"] || join(config["root-dir"], "seccomp"),
    seccompDefault: config.settings.seccompDefault,
    metrics: parts.kubeletMetrics,
    extras: (pod, container) => resources.extrasFor(pod, container),
  });
}
