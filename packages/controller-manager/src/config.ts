// The flags of kube-controller-manager, checked and frozen.

import { parseCidr } from "@skiff/api/ip.ts";
import { commonFlags, flag, parseFlags, UsageError } from "@skiff/component-base/flags.ts";
import { certificateFlags, certificatesOf } from "./certificate-flags.ts";
import type { RangeOptions } from "./controllers/node-ipam/range-allocator.ts";

/** Names and defaults are upstream's. */
const flags = {
  ...commonFlags,
  ...certificateFlags,
  kubeconfig: flag.string("", "file that says where the apiserver is and as whom to speak to it"),
  "authentication-kubeconfig": flag.string("", "kubeconfig for TokenReviews; --kubeconfig when empty"),
  "authorization-kubeconfig": flag.string("", "kubeconfig for SubjectAccessReviews; --kubeconfig when empty"),
  "bind-address": flag.string("0.0.0.0", "address of the HTTPS port"),
  "secure-port": flag.int(10257, "HTTPS port; 0 turns it off"),
  port: flag.int(10252, "HTTP port on loopback for health and metrics; 0 turns it off"),
  "tls-cert-file": flag.string("", "certificate of the HTTPS port, which is off without one"),
  "tls-private-key-file": flag.string("", "key of --tls-cert-file"),
  "client-ca-file": flag.string("", "CA whose certificates identify callers"),
  "requestheader-client-ca-file": flag.string("", "CA of front proxies; taken for upstream's command lines, unused"),
  "leader-elect": flag.bool(true, "act only while holding the lease"),
  "leader-elect-lease-duration": flag.duration(15_000, "how long others wait after the last renewal"),
  "leader-elect-renew-deadline": flag.duration(10_000, "how long the leader acts on without a renewal"),
  "leader-elect-retry-period": flag.duration(2000, "pause between tries"),
  "leader-elect-resource-lock": flag.string("leases", "kind of the lock; only leases"),
  "leader-elect-resource-name": flag.string("kube-controller-manager", "name of the lease"),
  "leader-elect-resource-namespace": flag.string("kube-system", "namespace of the lease"),
  controllers: flag.strings(
    ["*"],
    "controllers to run: * for all that are on by default, foo for one, -foo for all but one",
  ),
  "use-service-account-credentials": flag.bool(false, "let each controller speak as its own ServiceAccount"),
  "cluster-name": flag.string("kubernetes", "name of the cluster"),
  "cluster-cidr": flag.strings([], "pod ranges of the cluster, one per IP version"),
  "service-cluster-ip-range": flag.strings([], "Service ranges, kept out of the pod ranges"),
  "allocate-node-cidrs": flag.bool(false, "give each node a subnet of --cluster-cidr"),
  "node-cidr-mask-size": flag.int(0, "prefix length of a node's IPv4 subnet (24)"),
  "node-cidr-mask-size-ipv4": flag.int(0, "the same"),
  "node-cidr-mask-size-ipv6": flag.int(0, "prefix length of a node's IPv6 subnet (64)"),
  "root-ca-file": flag.string("", "CA bundle published as kube-root-ca.crt; that of --kubeconfig when empty"),
  "service-account-private-key-file": flag.string(
    "",
    "key of ServiceAccount tokens; tokens are issued by the apiserver",
  ),
  "node-monitor-period": flag.duration(5000, "pause between looks at the nodes"),
  "node-monitor-grace-period": flag.duration(50_000, "silence after which a node is unhealthy"),
  "node-startup-grace-period": flag.duration(60_000, "the same for a node that never spoke"),
  "node-eviction-rate": flag.number(0.1, "nodes per second whose pods are evicted in a healthy zone"),
  "secondary-node-eviction-rate": flag.number(0.01, "the same in an unhealthy zone"),
  "unhealthy-zone-threshold": flag.number(0.55, "share of not-ready nodes that makes a zone unhealthy"),
  "large-cluster-size-threshold": flag.int(50, "nodes up to which an unhealthy zone evicts nothing"),
  "concurrent-deployment-syncs": flag.int(5, "Deployments worked on at once"),
  "concurrent-replicaset-syncs": flag.int(5, "ReplicaSets worked on at once"),
  "concurrent-rc-syncs": flag.int(5, "ReplicationControllers worked on at once"),
  "concurrent-endpoint-syncs": flag.int(5, "Services worked on at once for Endpoints"),
  "concurrent-service-endpoint-syncs": flag.int(5, "Services worked on at once for EndpointSlices"),
  "concurrent-namespace-syncs": flag.int(10, "namespaces deleted at once"),
  "concurrent-gc-syncs": flag.int(20, "objects collected at once"),
  "enable-garbage-collector": flag.bool(true, "collect what owners leave behind"),
  "max-endpoints-per-slice": flag.int(100, "endpoints of one EndpointSlice, 1 to 1000"),
  "terminated-pod-gc-threshold": flag.int(12_500, "finished pods that are kept; 0 keeps all"),
} as const;

/** Frozen: what every controller sees for the whole life of the program. */
export type ControllerManagerConfig = ReturnType<typeof parseConfig> & {
  /** PEM text that kube-root-ca.crt publishes; read at start. */
  readonly rootCa: string | undefined;
};

/**
 * Throws UsageError that names the flag. Durations are milliseconds; files are named here and read at start. Defaults are
 * upstream's; a flag without effect says so in its help, and is there so that upstream's command lines work.
 */
export function parseConfig(argv: readonly string[]) {
  const values = parseFlags("kube-controller-manager", argv, flags);
  if (!values.kubeconfig) throw new UsageError("--kubeconfig is required");
  const slice = values["max-endpoints-per-slice"];
  if (slice < 1 || slice > 1000) throw new UsageError("--max-endpoints-per-slice must be between 1 and 1000");
  if (values["leader-elect-resource-lock"] !== "leases") {
    throw new UsageError('--leader-elect-resource-lock: only "leases" is supported');
  }
  if (Boolean(values["tls-cert-file"]) !== Boolean(values["tls-private-key-file"])) {
    throw new UsageError("--tls-cert-file and --tls-private-key-file must come together");
  }
  return Object.freeze({
    v: values.v,
    kubeconfig: values.kubeconfig,
    serving: servingOf(values),
    leaderElection: electionOf(values),
    controllers: values.controllers,
    useServiceAccountCredentials: values["use-service-account-credentials"],
    allocateNodeCidrs: values["allocate-node-cidrs"],
    nodeRanges: rangesOf(values),
    rootCaFile: values["root-ca-file"],
    nodeHealth: nodeHealthOf(values),
    certificates: certificatesOf(values),
    enableGarbageCollector: values["enable-garbage-collector"],
    maxEndpointsPerSlice: slice,
    terminatedPodGcThreshold: values["terminated-pod-gc-threshold"],
    ...workersOf(values),
  });
}

type Values = ReturnType<typeof parseFlags<typeof flags>>;

function servingOf(values: Values) {
  return Object.freeze({
    bindAddress: values["bind-address"],
    securePort: values["secure-port"],
    port: values.port,
    certFile: values["tls-cert-file"],
    keyFile: values["tls-private-key-file"],
    clientCaFile: values["client-ca-file"],
    /** Who asks the apiserver about callers. */
    authKubeconfig: values["authentication-kubeconfig"] || values.kubeconfig,
  });
}

/**
 * The renew deadline is below the lease's duration, so that a leader that cannot renew stops before another one
 * starts.
 */
function electionOf(values: Values) {
  return Object.freeze({
    enabled: values["leader-elect"],
    lease: { namespace: values["leader-elect-resource-namespace"], name: values["leader-elect-resource-name"] },
    leaseDurationMs: values["leader-elect-lease-duration"],
    renewDeadlineMs: values["leader-elect-renew-deadline"],
    retryPeriodMs: values["leader-elect-retry-period"],
  });
}

/** Rates are nodes per second; the threshold is a share between 0 and 1. */
function nodeHealthOf(values: Values) {
  return Object.freeze({
    monitorPeriodMs: values["node-monitor-period"],
    gracePeriodMs: values["node-monitor-grace-period"],
    startupGracePeriodMs: values["node-startup-grace-period"],
    evictionRate: values["node-eviction-rate"],
    secondaryEvictionRate: values["secondary-node-eviction-rate"],
    unhealthyZoneThreshold: values["unhealthy-zone-threshold"],
    largeClusterThreshold: values["large-cluster-size-threshold"],
  });
}

/** Throws UsageError for less than one worker. */
function workersOf(values: Values) {
  for (const [name, count] of Object.entries(values)) {
    if (name.startsWith("concurrent-") && Number(count) < 1) throw new UsageError(`--${name} must be at least 1`);
  }
  return Object.freeze({
    concurrentDeploymentSyncs: values["concurrent-deployment-syncs"],
    concurrentReplicaSetSyncs: values["concurrent-replicaset-syncs"],
    concurrentRcSyncs: values["concurrent-rc-syncs"],
    concurrentEndpointSyncs: values["concurrent-endpoint-syncs"],
    concurrentServiceEndpointSyncs: values["concurrent-service-endpoint-syncs"],
    concurrentNamespaceSyncs: values["concurrent-namespace-syncs"],
    concurrentGcSyncs: values["concurrent-gc-syncs"],
  });
}

/** 24 and 64 are upstream's masks where none is given; the flag without a version means IPv4. */
function rangesOf(values: Values): RangeOptions {
  const clusterCidrs = values["cluster-cidr"];
  const serviceCidrs = values["service-cluster-ip-range"];
  checkCidrs("--cluster-cidr", clusterCidrs);
  checkCidrs("--service-cluster-ip-range", serviceCidrs);
  if (values["allocate-node-cidrs"] && clusterCidrs.length === 0) {
    throw new UsageError("--cluster-cidr is required when --allocate-node-cidrs is set");
  }
  return Object.freeze({
    clusterCidrs,
    serviceCidrs,
    maskSizeV4: values["node-cidr-mask-size-ipv4"] || values["node-cidr-mask-size"] || 24,
    maskSizeV6: values["node-cidr-mask-size-ipv6"] || 64,
  });
}

function checkCidrs(name: string, cidrs: readonly string[]): void {
  const versions = cidrs.map((text) => {
    const cidr = parseCidr(text);
    if (!cidr) throw new UsageError(`${name}: "${text}" is no CIDR`);
    return cidr.version;
  });
  if (new Set(versions).size < versions.length) throw new UsageError(`${name}: at most one range per IP version`);
}
