// The fields of KubeletConfiguration v1beta1 with upstream's names and defaults. What is not here is refused as unknown.
import type { CgroupDriver } from "../cgroups/cgroup-names.ts";
import { featureGates } from "./feature-gates.ts";
import type { Field } from "./field-types.ts";
import {
  bool,
  duration,
  headers,
  int,
  map,
  only,
  optionalBool,
  optionalInt,
  quantity,
  shutdownClasses,
  strings,
  taints,
  text,
  word,
} from "./field-types.ts";
import { FIXED_FIELDS } from "./fixed-fields.ts";
import { PROCESS_FIELDS } from "./process-fields.ts";
import { RESOURCE_FIELDS } from "./resource-fields.ts";
import { SERVER_FIELDS } from "./server-fields.ts";

/** A dot stands for a field inside an object. */
export const FIELDS = {
  staticPodPath: text(""),
  staticPodURL: text(""),
  staticPodURLHeader: headers(),
  podLogsDir: text("/var/log/pods"),
  featureGates: featureGates(),
  syncFrequency: duration(60_000),
  fileCheckFrequency: duration(20_000),
  httpCheckFrequency: duration(20_000),
  address: text("0.0.0.0"),
  port: int(10250),
  readOnlyPort: int(0),
  tlsCertFile: text(""),
  tlsPrivateKeyFile: text(""),
  rotateCertificates: bool(false),
  serverTLSBootstrap: bool(false),
  ...SERVER_FIELDS,
  healthzPort: int(10248),
  healthzBindAddress: text("127.0.0.1"),
  oomScoreAdj: int(-999),
  clusterDomain: text(""),
  clusterDNS: strings([]),
  resolvConf: text("/etc/resolv.conf"),
  nodeStatusUpdateFrequency: duration(10_000),
  // A status without news is written once in this time; the Lease shows in between that the node is alive.
  nodeStatusReportFrequency: duration(300_000),
  // The controller manager calls a node unreachable some time after its Lease is no longer renewed.
  nodeLeaseDurationSeconds: int(40),
  nodeStatusMaxImages: int(50),
  imageMinimumGCAge: duration(120_000),
  // 0: idle images stay as long as there is room.
  imageMaximumGCAge: duration(0),
  imageGCHighThresholdPercent: int(85),
  imageGCLowThresholdPercent: int(80),
  serializeImagePulls: bool(true),
  // More than one only where pulls are not serialized; without a number there is no limit then.
  maxParallelImagePulls: optionalInt(),
  // Whether a pod must show the login that an image on the node was pulled with.
  imagePullCredentialsVerificationPolicy: text("NeverVerifyPreloadedImages"),
  preloadedImagesVerificationAllowlist: strings([]),
  volumeStatsAggPeriod: duration(60_000),
  // Where the kubelet puts itself, and all others that are in none.
  kubeletCgroups: text(""),
  systemCgroups: text(""),
  // Unlike upstream: many a machine still runs on version 1.
  failCgroupV1: bool(false),
  cgroupRoot: text("/"),
  cgroupsPerQOS: only(true),
  cgroupDriver: word<CgroupDriver>("cgroupfs", "systemd"),
  ...RESOURCE_FIELDS,
  ...FIXED_FIELDS,
  ...PROCESS_FIELDS,
  runtimeRequestTimeout: duration(120_000),
  maxPods: int(110),
  // 0: maxPods alone counts.
  podsPerCore: int(0),
  podCIDR: text(""),
  providerID: text(""),
  evictionHard: map({}),
  evictionSoft: map({}),
  evictionSoftGracePeriod: map({}),
  // Absent means that reclaiming ends right at the threshold.
  evictionMinimumReclaim: map({}),
  evictionPressureTransitionPeriod: duration(300_000),
  evictionMaxPodGracePeriod: int(0),
  mergeDefaultEvictionSettings: bool(false),
  // Volumes are attached by the controller manager alone: two that attach would race.
  enableControllerAttachDetach: only(true),
  // Unlike upstream: a machine with swap is the ordinary case on a desk.
  failSwapOn: bool(false),
  containerLogMaxSize: quantity("10Mi"),
  containerLogMaxFiles: int(5),
  containerLogMaxWorkers: int(1),
  containerLogMonitorInterval: duration(10_000),
  // One watch for each object that a pod of this node refers to; upstream can also poll or cache.
  configMapAndSecretChangeDetectionStrategy: only("Watch"),
  allowedUnsafeSysctls: strings([]),
  seccompDefault: bool(false),
  // Without it somebody else must create the Node object, such as a cloud's controller.
  registerNode: bool(true),
  registerWithTaints: taints(),
  localStorageCapacityIsolation: bool(true),
  containerRuntimeEndpoint: text("unix:///run/containerd/containerd.sock"),
  // Images and containers are asked of one runtime.
  imageServiceEndpoint: only(""),
  // The longest delay; the first is always 10 s or this, whichever is less.
  "crashLoopBackOff.maxContainerRestartPeriod": duration(300_000),
  "logging.verbosity": int(2),
  // 0 turns graceful node shutdown off.
  shutdownGracePeriod: duration(0),
  shutdownGracePeriodCriticalPods: duration(0),
  shutdownGracePeriodByPodPriority: shutdownClasses(),
  enableServer: only(true),
  // Absent: true on cgroup v1, which cannot end a container whole, else false.
  singleProcessOOMKill: optionalBool(),
  // Ids of a pod that has users of its own.
  "userNamespaces.idsPerPod": int(65536),
  // Whether a pod may reach itself through its Service; a matter of the network plug-in since the CRI.
  hairpinMode: word("promiscuous-bridge", "hairpin-veth", "none"),
} as const;

/**
 * Where an empty text, zero, or no time at all means the default, as upstream reads them: kubeadm writes `0s` for each duration
 * about which it was told nothing.
 */
export const ZERO_IS_DEFAULT: ReadonlySet<string> = new Set<keyof typeof FIELDS>([
  ...(["syncFrequency", "fileCheckFrequency", "httpCheckFrequency", "streamingConnectionIdleTimeout"] as const),
  ...(["nodeStatusUpdateFrequency", "nodeStatusReportFrequency", "nodeLeaseDurationSeconds"] as const),
  ...(["authentication.webhook.cacheTTL", "authorization.webhook.cacheAuthorizedTTL"] as const),
  ...(["authorization.webhook.cacheUnauthorizedTTL", "authorization.mode"] as const),
  ...(["imageMinimumGCAge", "volumeStatsAggPeriod", "cpuManagerReconcilePeriod", "runtimeRequestTimeout"] as const),
  ...(["evictionPressureTransitionPeriod", "address", "port", "healthzBindAddress", "podLogsDir"] as const),
  ...(["cpuManagerPolicy", "memoryManagerPolicy", "topologyManagerPolicy", "topologyManagerScope"] as const),
  ...(["cgroupDriver", "hairpinMode", "maxPods", "maxOpenFiles", "contentType", "containerLogMaxSize"] as const),
  ...(["registryBurst", "eventBurst", "kubeAPIBurst", "volumePluginDir", "containerRuntimeEndpoint"] as const),
  ...(["imagePullCredentialsVerificationPolicy", "memoryReservationPolicy"] as const),
  ...(["configMapAndSecretChangeDetectionStrategy", "logging.format", "cgroupRoot"] as const),
]);

/** A field's path with dots, as errors name it. */
export type FieldName = keyof typeof FIELDS;

/** Every field with its value; durations are milliseconds. */
export type Settings = {
  readonly [K in FieldName]: (typeof FIELDS)[K] extends Field<infer T> ? T : never;
};

/** What a kubelet without a file and without flags goes by. */
export function defaultSettings(): Settings {
  return Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field.default])) as Settings;
}

/** Upstream's hard thresholds on Linux. They count only where none is configured, or where told to fill the gaps. */
export const DEFAULT_EVICTION_HARD: Readonly<Record<string, string>> = {
  "memory.available": "100Mi",
  "nodefs.available": "10%",
  "nodefs.inodesFree": "5%",
  "imagefs.available": "15%",
  "imagefs.inodesFree": "5%",
};
