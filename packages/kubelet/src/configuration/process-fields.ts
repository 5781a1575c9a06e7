// The fields and flags of KubeletConfiguration for the kubelet's own process: its rates and bounds, and what it only takes note of.
import { bool, duration, flagOf, fraction, int } from "./field-types.ts";
import { FIXED_FIELDS } from "./fixed-fields.ts";

/** What is obeyed. */
const OBEYED = {
  registryPullQPS: int(5),
  registryBurst: int(10),
  eventRecordQPS: int(50),
  eventBurst: int(100),
  maxOpenFiles: int(1_000_000),
  protectKernelDefaults: bool(false),
  enableSystemLogHandler: bool(true),
} as const;

/**
 * What changes nothing here, and yet is often set: the API's own fairness bounds requests, the runtime its streams; nothing
 * here reads hints in iptables, and there are no such pages.
 */
const NOTED = {
  kubeAPIQPS: int(50),
  kubeAPIBurst: int(100),
  streamingConnectionIdleTimeout: duration(14_400_000),
  makeIPTablesUtilChains: bool(true),
  iptablesMasqueradeBit: int(14),
  iptablesDropBit: int(15),
  // Of a feature that is alpha upstream, and does nothing without its gate.
  memoryThrottlingFactor: fraction(0.9),
  enableProfilingHandler: bool(true),
  enableDebugFlagsHandler: bool(true),
} as const;

/** Parts of the whole table. */
export const PROCESS_FIELDS = { ...OBEYED, ...NOTED } as const;

const F = PROCESS_FIELDS;

/** Their flags under upstream's names, and those of fields that have one value. A flag wins over the file. */
export const PROCESS_FLAGS = {
  "registry-qps": flagOf(F.registryPullQPS, "image pulls per second; 0 for no limit"),
  "registry-burst": flagOf(F.registryBurst, "image pulls at once beyond that"),
  "event-qps": flagOf(F.eventRecordQPS, "events per second; 0 for no limit"),
  "event-burst": flagOf(F.eventBurst, "events at once beyond that"),
  "max-open-files": flagOf(F.maxOpenFiles, "files that the kubelet may have open"),
  "protect-kernel-defaults": flagOf(F.protectKernelDefaults, "do not start where the kernel is set otherwise"),
  "kube-api-qps": flagOf(F.kubeAPIQPS, "changes nothing"),
  "kube-api-burst": flagOf(F.kubeAPIBurst, "changes nothing"),
  "streaming-connection-idle-timeout": flagOf(F.streamingConnectionIdleTimeout, "changes nothing: the runtime has its"),
  "make-iptables-util-chains": flagOf(F.makeIPTablesUtilChains, "changes nothing"),
  "iptables-masquerade-bit": flagOf(F.iptablesMasqueradeBit, "changes nothing"),
  "iptables-drop-bit": flagOf(F.iptablesDropBit, "changes nothing"),
  "kube-api-content-type": flagOf(FIXED_FIELDS.contentType, "changes nothing: the API is spoken to in JSON"),
  "logging-format": flagOf(FIXED_FIELDS["logging.format"], "text or json; lines are JSON in any case"),
  runonce: flagOf(FIXED_FIELDS.runOnce, "only false"),
  "kernel-memcg-notification": flagOf(FIXED_FIELDS.kernelMemcgNotification, "only false"),
  "contention-profiling": flagOf(FIXED_FIELDS.enableContentionProfiling, "only false"),
} as const;

/** Flag → the field that it overrides. */
export const PROCESS_FIELD_OF = {
  "registry-qps": "registryPullQPS",
  "registry-burst": "registryBurst",
  "event-qps": "eventRecordQPS",
  "event-burst": "eventBurst",
  "max-open-files": "maxOpenFiles",
  "protect-kernel-defaults": "protectKernelDefaults",
  "kube-api-qps": "kubeAPIQPS",
  "kube-api-burst": "kubeAPIBurst",
  "streaming-connection-idle-timeout": "streamingConnectionIdleTimeout",
  "make-iptables-util-chains": "makeIPTablesUtilChains",
  "iptables-masquerade-bit": "iptablesMasqueradeBit",
  "iptables-drop-bit": "iptablesDropBit",
  "kube-api-content-type": "contentType",
  "logging-format": "logging.format",
  runonce: "runOnce",
  "kernel-memcg-notification": "kernelMemcgNotification",
  "contention-profiling": "enableContentionProfiling",
} as const satisfies Record<keyof typeof PROCESS_FLAGS, keyof typeof PROCESS_FIELDS | keyof typeof FIXED_FIELDS>;
