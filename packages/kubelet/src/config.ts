// The kubelet's flags and its configuration file, under upstream's names, as one validated object.

import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import type { Taint } from "@skiff/api/types.ts";
import type { Flag } from "@skiff/component-base/flags.ts";
import { commonFlags, flag, parseFlags, UsageError } from "@skiff/component-base/flags.ts";
import type { CgroupDriver } from "./cgroups/cgroup-names.ts";
import { type FeatureGates, parseFeatureGates } from "./configuration/feature-gates.ts";
import { flagOf } from "./configuration/field-types.ts";
import { FIELDS, type FieldName, type Settings } from "./configuration/fields.ts";
import { PROCESS_FIELD_OF, PROCESS_FLAGS } from "./configuration/process-fields.ts";
import { readConfiguration } from "./configuration/read-configuration.ts";
import { RESOURCE_FIELD_OF, RESOURCE_FLAGS } from "./configuration/resource-fields.ts";
import { SERVER_FIELD_OF, SERVER_FLAGS } from "./configuration/server-fields.ts";
import { validateConfiguration } from "./configuration/validate-configuration.ts";

/**
 * Names and meanings are upstream's. A default here holds only where neither the flag nor the configuration file says
 * anything.
 */
const FLAGS = {
  ...commonFlags,
  config: flag.string("", "file with a KubeletConfiguration; flags win over it"),
  "config-dir": flag.string("", "folder of *.conf files that are merged over the configuration file"),
  "feature-gates": flagOfGates("features to agree about, as NAME=true|false; none can be moved"),
  kubeconfig: flag.string("", "kubeconfig file with the address and the credentials for the API server"),
  "bootstrap-kubeconfig": flag.string("", "kubeconfig to ask for a client certificate with, while KUBECONFIG has none"),
  "cert-dir": flag.string("/var/lib/kubelet/pki", "folder for the certificates that the kubelet gets or makes"),
  "rotate-certificates": flag.bool(false, "renew the client certificate before it ends"),
  "rotate-server-certificates": flag.bool(false, "ask the API for the serving certificate, and renew it"),
  "hostname-override": flag.string("", "name of the node, instead of the machine's host name"),
  "node-ip": flag.strings([], "addresses of the node"),
  "root-dir": flag.string("/var/lib/kubelet", "folder for the files of pods"),
  "container-runtime-endpoint": flag.string(
    "unix:///run/containerd/containerd.sock",
    "socket of the container runtime",
  ),
  "cgroup-root": flag.string("/", "cgroup under which kubepods lies"),
  "fail-cgroupv1": flag.bool(false, "do not start on cgroup v1"),
  "cgroup-driver": flagOfDriver("who makes the cgroups, where the runtime does not say: cgroupfs or systemd"),
  "kubelet-cgroups": flag.string("", "cgroup that the kubelet moves itself into"),
  "system-cgroups": flag.string("", "cgroup for the system's processes that are in none"),
  "oom-score-adj": flag.int(-999, "how soon the kernel ends the kubelet when memory is out, from -1000 to 1000"),
  "provider-id": flag.string("", "what a cloud calls this machine"),
  "volume-stats-agg-period": flag.duration(60_000, "how old figures of volumes may be; negative for none"),
  "runtime-cgroups": flag.string("", "cgroup of the container runtime, for the figures in /stats/summary"),
  "pod-log-dir": flag.string("/var/log/pods", "folder for the logs of containers"),
  "container-log-dir": flag.string(
    "",
    "folder of links to the logs by name; containers beside POD-LOG-DIR unless told",
  ),
  "seccomp-profile-root": flag.string("", "folder of seccomp profiles; ROOT-DIR/seccomp unless told"),
  "seccomp-default": flag.bool(false, "confine by the runtime's default profile whoever asks for none"),
  address: flag.string("0.0.0.0", "address of the HTTPS API"),
  port: flag.int(10250, "port of the HTTPS API"),
  "healthz-port": flag.int(10248, "port of /healthz; 0 for none"),
  "healthz-bind-address": flag.string("127.0.0.1", "address of /healthz"),
  "read-only-port": flag.int(
    0,
    "port of what tells about pods and figures without authentication, such as 10255; 0 for none",
  ),
  "cadvisor-port": flag.int(0, "port of cAdvisor's metrics without authentication, such as 4194; 0 for none"),
  "tls-cert-file": flag.string("", "certificate of the HTTPS API"),
  "tls-private-key-file": flag.string("", "key of that certificate"),
  ...SERVER_FLAGS,
  "cluster-dns": flag.strings([], "addresses of the cluster's DNS service"),
  "cluster-domain": flag.string("", "domain of the cluster, such as cluster.local; without it pods search none"),
  "resolv-conf": flag.string("/etc/resolv.conf", "resolver configuration of the node"),
  "max-pods": flag.int(110, "the most pods on this node"),
  "pods-per-core": flag.int(0, "the most pods per processor; 0 for no such limit"),
  "node-labels": flag.map({}, "labels of the node"),
  "register-node": flag.bool(true, "create the node's object"),
  "register-with-taints": flag.strings([], "taints of the node at its registration, as key=value:effect"),
  "node-status-update-frequency": flag.duration(10_000, "how often the node's status is looked at"),
  "node-status-max-images": flag.int(50, "the most images in the node's status; -1 for all"),
  "pod-cidr": flag.string("", "addresses for pods, where the API does not say"),
  "pod-manifest-path": flag.string("", "folder, or file, of static pods"),
  "manifest-url": flag.string("", "address of a manifest of static pods"),
  "manifest-url-header": flagOfHeaders("headers for requests to that address, as NAME:VALUE"),
  "file-check-frequency": flag.duration(20_000, "how often the folder of static pods is read"),
  "http-check-frequency": flag.duration(20_000, "how often the address of static pods is asked"),
  "pod-infra-container-image": flag.string("", "image of the sandboxes, which image collection spares"),
  "image-gc-high-threshold": flag.int(85, "percentage of the disk from which on images are removed"),
  "image-gc-low-threshold": flag.int(80, "percentage of the disk down to which images are removed"),
  "minimum-image-ttl-duration": flag.duration(120_000, "no image is removed sooner after it was first seen"),
  "sync-frequency": flag.duration(60_000, "how often a running pod is looked at without news"),
  "serialize-image-pulls": flag.bool(true, "pull one image at a time"),
  "image-credential-provider-config": flag.string(
    "",
    "CredentialProviderConfig file, or folder of such, of logins to registries",
  ),
  "image-credential-provider-bin-dir": flag.string("", "folder of the credential-provider plug-ins"),
  "container-log-max-size": flag.string("10Mi", "size from which on a log is rotated"),
  "container-log-max-files": flag.int(5, "files per container's log"),
  "maximum-dead-containers-per-container": flag.int(1, "dead containers that are kept per container"),
  "maximum-dead-containers": flag.int(-1, "dead containers that are kept on the node; -1 for no limit"),
  "minimum-container-ttl-duration": flag.duration(0, "no dead container is removed sooner"),
  ...RESOURCE_FLAGS,
  ...PROCESS_FLAGS,
  "cpu-cfs-quota-period": flagOf(FIELDS.cpuCFSQuotaPeriod, "only 100ms"),
  "hairpin-mode": flagOf(FIELDS.hairpinMode, "changes nothing: this is the network plug-in's"),
  "volume-plugin-dir": flagOf(FIELDS.volumePluginDir, "only upstream's default"),
  "image-service-endpoint": flagOf(FIELDS.imageServiceEndpoint, "only none: images are asked of the runtime"),
  "cgroups-per-qos": flagOf(FIELDS.cgroupsPerQOS, "only true"),
  "enable-server": flagOf(FIELDS.enableServer, "only true"),
  "enable-controller-attach-detach": flagOf(FIELDS.enableControllerAttachDetach, "only true"),
  "eviction-hard": flagOfThresholds("thresholds of eviction at once, such as memory.available<100Mi"),
  "eviction-soft": flagOfThresholds("thresholds of eviction after a grace period"),
  "eviction-soft-grace-period": flag.map({}, "grace periods of those, such as memory.available=1m30s"),
  "eviction-minimum-reclaim": flag.map({}, "how far beyond a threshold is reclaimed"),
  "eviction-pressure-transition-period": flag.duration(300_000, "how long pressure must be gone to be called over"),
  "eviction-max-pod-grace-period": flag.int(0, "the longest grace in seconds of a soft eviction; -1 for the pod's own"),
  "fail-swap-on": flag.bool(false, "do not start on a machine with swap"),
  "allowed-unsafe-sysctls": flag.strings([], "sysctls, or patterns with * at their end, that pods may set"),
  "runtime-request-timeout": flag.duration(120_000, "time limit of requests to the runtime"),
} as const;

/** Flag → the field of KubeletConfiguration that it overrides. */
const FIELD_OF = {
  v: "logging.verbosity",
  "feature-gates": "featureGates",
  "container-runtime-endpoint": "containerRuntimeEndpoint",
  "cgroup-root": "cgroupRoot",
  "fail-cgroupv1": "failCgroupV1",
  "cgroup-driver": "cgroupDriver",
  "kubelet-cgroups": "kubeletCgroups",
  "system-cgroups": "systemCgroups",
  "oom-score-adj": "oomScoreAdj",
  "provider-id": "providerID",
  "volume-stats-agg-period": "volumeStatsAggPeriod",
  "pod-log-dir": "podLogsDir",
  "seccomp-default": "seccompDefault",
  address: "address",
  port: "port",
  "healthz-port": "healthzPort",
  "healthz-bind-address": "healthzBindAddress",
  "read-only-port": "readOnlyPort",
  "tls-cert-file": "tlsCertFile",
  "tls-private-key-file": "tlsPrivateKeyFile",
  "rotate-certificates": "rotateCertificates",
  "rotate-server-certificates": "serverTLSBootstrap",
  ...SERVER_FIELD_OF,
  "cluster-dns": "clusterDNS",
  "cluster-domain": "clusterDomain",
  "resolv-conf": "resolvConf",
  "max-pods": "maxPods",
  "pods-per-core": "podsPerCore",
  "register-node": "registerNode",
  "node-status-update-frequency": "nodeStatusUpdateFrequency",
  "node-status-max-images": "nodeStatusMaxImages",
  "pod-cidr": "podCIDR",
  "pod-manifest-path": "staticPodPath",
  "manifest-url": "staticPodURL",
  "manifest-url-header": "staticPodURLHeader",
  "file-check-frequency": "fileCheckFrequency",
  "http-check-frequency": "httpCheckFrequency",
  "image-gc-high-threshold": "imageGCHighThresholdPercent",
  "image-gc-low-threshold": "imageGCLowThresholdPercent",
  "minimum-image-ttl-duration": "imageMinimumGCAge",
  "sync-frequency": "syncFrequency",
  "serialize-image-pulls": "serializeImagePulls",
  "container-log-max-size": "containerLogMaxSize",
  "container-log-max-files": "containerLogMaxFiles",
  ...RESOURCE_FIELD_OF,
  ...PROCESS_FIELD_OF,
  "cpu-cfs-quota-period": "cpuCFSQuotaPeriod",
  "hairpin-mode": "hairpinMode",
  "volume-plugin-dir": "volumePluginDir",
  "image-service-endpoint": "imageServiceEndpoint",
  "cgroups-per-qos": "cgroupsPerQOS",
  "enable-server": "enableServer",
  "enable-controller-attach-detach": "enableControllerAttachDetach",
  "eviction-hard": "evictionHard",
  "eviction-soft": "evictionSoft",
  "eviction-soft-grace-period": "evictionSoftGracePeriod",
  "eviction-minimum-reclaim": "evictionMinimumReclaim",
  "eviction-pressure-transition-period": "evictionPressureTransitionPeriod",
  "eviction-max-pod-grace-period": "evictionMaxPodGracePeriod",
  "fail-swap-on": "failSwapOn",
  "allowed-unsafe-sysctls": "allowedUnsafeSysctls",
  "runtime-request-timeout": "runtimeRequestTimeout",
} as const satisfies Partial<Record<keyof typeof FLAGS, FieldName>>;

/** Everything that the kubelet was told: flags by their names, and `settings` with the file and the flags together. */
export type KubeletConfig = Awaited<ReturnType<typeof parseConfig>>;

/** Rejects with a UsageError that names the flag, the field or the file. */
export async function parseConfig(argv: readonly string[]) {
  // Flags are read twice: once for where the file lies, and then with the file's values as their defaults, as flags
  // win.
  const places = parseFlags("kubelet", argv, FLAGS);
  const file = await readSettings(places.config, places["config-dir"]);
  const flags = parseFlags("kubelet", argv, withDefaults(file));
  if (!flags.kubeconfig) throw new UsageError("flag --kubeconfig is required");
  if (Boolean(flags["image-credential-provider-config"]) !== Boolean(flags["image-credential-provider-bin-dir"])) {
    throw new UsageError(
      "--image-credential-provider-config and --image-credential-provider-bin-dir must come together",
    );
  }
  if (Boolean(flags["tls-cert-file"]) !== Boolean(flags["tls-private-key-file"])) {
    throw new UsageError("--tls-cert-file and --tls-private-key-file must come together");
  }
  if (!flags["container-runtime-endpoint"].startsWith("unix://")) {
    throw new UsageError('--container-runtime-endpoint must begin with "unix://"');
  }
  const nodeIps = flags["node-ip"].length > 0 ? flags["node-ip"] : defaultAddresses();
  for (const ip of nodeIps) if (isIP(ip) === 0) throw new UsageError(`--node-ip: "${ip}" is no IP address`);
  const given = flags["register-with-taints"].map(parseTaint);
  const taints = given.length > 0 ? given : file.registerWithTaints;
  const settings = Object.freeze({ ...file, ...fieldsOf(flags), registerWithTaints: taints });
  const problems = validateConfiguration(settings);
  if (problems.length > 0) {
    const list = problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`;
    throw new UsageError(`failed to validate kubelet configuration, error: ${list}`);
  }
  // Names of nodes are DNS subdomains, which know no capitals; host names do.
  const machineName = hostname().toLowerCase();
  const nodeName = (flags["hostname-override"] || machineName).toLowerCase();
  return Object.freeze({ ...flags, machineName, nodeName, nodeIps, taints, settings });
}

async function readSettings(file: string, dropInDir: string): Promise<Settings> {
  try {
    return await readConfiguration(file, dropInDir);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** The flags as they are where nobody gives them: as the file says. */
function withDefaults(settings: Settings): typeof FLAGS {
  const flags: Record<string, Flag<unknown>> = { ...FLAGS };
  for (const [name, field] of Object.entries(FIELD_OF)) {
    const spec = flags[name];
    if (spec) flags[name] = { ...spec, default: settings[field] };
  }
  return flags as typeof FLAGS;
}

function fieldsOf(flags: Readonly<Record<string, unknown>>): Partial<Settings> {
  return Object.fromEntries(Object.entries(FIELD_OF).map(([name, field]) => [field, flags[name]]));
}

function flagOfDriver(help: string): Flag<CgroupDriver> {
  return { default: "cgroupfs", help, isBoolean: false, parse: (text) => FIELDS.cgroupDriver.decode(text) };
}

function flagOfGates(help: string): Flag<FeatureGates> {
  return {
    default: {},
    help,
    isBoolean: false,
    parse: (text, previous) => ({ ...previous, ...parseFeatureGates(text) }),
  };
}

/** `a:hello,b:again,a:too`. */
function flagOfHeaders(help: string): Flag<Readonly<Record<string, readonly string[]>>> {
  return {
    default: {},
    help,
    isBoolean: false,
    parse(text, previous) {
      const found: Record<string, readonly string[]> = { ...previous };
      for (const pair of text.split(",").filter(Boolean)) {
        const at = pair.indexOf(":");
        if (at < 1) throw new Error(`malformed pair, expect string:string`);
        const name = pair.slice(0, at).trim();
        found[name] = [...(found[name] ?? []), pair.slice(at + 1)];
      }
      return found;
    },
  };
}

/** `memory.available<100Mi,nodefs.available<10%`. */
function flagOfThresholds(help: string): Flag<Readonly<Record<string, string>>> {
  return {
    default: {},
    help,
    isBoolean: false,
    parse(text, previous) {
      const pairs = text.split(",").filter(Boolean);
      const found = pairs.map((pair) => {
        const [name, value, ...more] = pair.split("<");
        if (!name || !value || more.length > 0)
          throw new Error(`invalid eviction threshold syntax: ${pair}, expected <eviction-signal><operator><value>`);
        return [name.trim(), value.trim()];
      });
      return { ...previous, ...Object.fromEntries(found) };
    },
  };
}

function defaultAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal);
  if (!found) throw new UsageError("--node-ip is required: this machine has no address but loopback");
  return [found.address];
}

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

function parseTaint(text: string): Taint {
  const [rest = "", effect = ""] = text.split(":");
  const [key = "", value] = rest.split("=");
  if (!key || !EFFECTS.includes(effect)) {
    throw new UsageError(`--register-with-taints: "${text}" is not of the form key=value:effect`);
  }
  return { key, effect, ...(value ? { value } : {}) };
}
