// kube-apiserver's flags as one validated configuration.
import { networkInterfaces } from "node:os";
import { commonFlags, flag, formatFlags, parseFlags, UsageError } from "@skiff/component-base/flags.ts";

import { auditConfig, auditFlags } from "./audit/audit-flags.ts";
import { servedKinds } from "./discovery/served-kinds.ts";

const flags = {
  ...commonFlags,
  "etcd-servers": flag.strings([], "URLs of the etcd members"),
  "etcd-cafile": flag.string("", "CA of etcd's certificates"),
  "etcd-certfile": flag.string("", "our client certificate for etcd"),
  "etcd-keyfile": flag.string("", "the key of that certificate"),
  "etcd-prefix": flag.string("/registry", "where everything is kept in etcd"),
  "bind-address": flag.string("0.0.0.0", "address to listen on"),
  "secure-port": flag.int(6443, "HTTPS port"),
  "advertise-address": flag.string("", "address at which the cluster reaches this server"),
  "tls-cert-file": flag.string("", "our serving certificate"),
  "tls-private-key-file": flag.string("", "the key of that certificate"),
  "client-ca-file": flag.string("", "CA of clients' certificates"),
  "service-account-key-file": flag.strings([], "keys that verify ServiceAccount tokens"),
  "service-account-signing-key-file": flag.string("", "key that signs ServiceAccount tokens"),
  "service-account-issuer": flag.string("https://kubernetes.default.svc.cluster.local", "issuer of those tokens"),
  "api-audiences": flag.strings([], "whom tokens must be for; the issuer when empty"),
  "service-cluster-ip-range": flag.string("10.96.0.0/12", "addresses of Services"),
  "service-node-port-range": flag.string("30000-32767", "node ports of Services"),
  "authorization-mode": flag.strings([], "authorizers in their order: Node, RBAC, AlwaysAllow, AlwaysDeny"),
  "disable-admission-plugins": flag.strings([], "admission plug-ins to leave out"),
  "kubelet-client-certificate": flag.string("", "our client certificate for kubelets"),
  "kubelet-client-key": flag.string("", "the key of that certificate"),
  "kubelet-certificate-authority": flag.string("", "CA of kubelets' certificates"),
  "requestheader-client-ca-file": flag.string("", "CA of front proxies' certificates"),
  "requestheader-allowed-names": flag.strings([], "common names of front proxies; any when empty"),
  "requestheader-username-headers": flag.strings(["x-remote-user"], "headers that name the user"),
  "requestheader-group-headers": flag.strings(["x-remote-group"], "headers that name groups"),
  "requestheader-extra-headers-prefix": flag.strings(["x-remote-extra-"], "prefixes of further headers"),
  "proxy-client-cert-file": flag.string("", "our certificate for extension servers"),
  "proxy-client-key-file": flag.string("", "the key of that certificate"),
  "anonymous-auth": flag.bool(true, "let requests without credentials be authorized as system:anonymous"),
  "enable-bootstrap-token-auth": flag.bool(
    false,
    "let Secrets of type bootstrap.kubernetes.io/token authenticate machines that join",
  ),
  "enable-priority-and-fairness": flag.bool(true, "queue requests fairly, by FlowSchemas and priority levels"),
  "max-requests-inflight": flag.int(400, "reading requests at once; 0: no limit"),
  "max-mutating-requests-inflight": flag.int(200, "writing requests at once; 0: no limit"),
  "request-timeout": flag.duration(60_000, "how long a request may take unless it is long-running"),
  // Half an hour, and up to twice that: so watches of one moment end at different times.
  "min-request-timeout": flag.int(1800, "seconds that a watch lasts at least"),
  "tracing-config-file": flag.string("", "a TracingConfiguration: where spans go, and of how many requests"),
  "runtime-config": flag.map({}, "beta kinds to serve, such as certificates.k8s.io/v1beta1/clustertrustbundles=true"),
  ...auditFlags,
  // One hour: Events are for looking into what just happened.
  "event-ttl": flag.duration(3_600_000, "how long Events are kept"),
};

/** Frozen, by flag name. Durations are milliseconds. */
export type ApiServerConfig = ReturnType<typeof parseConfig>;

/** Throws UsageError. File flags are names; the server reads the files. */
export function parseConfig(argv: readonly string[]) {
  const values = parseFlags("kube-apiserver", argv, flags);
  for (const name of REQUIRED) {
    if (values[name].length === 0) throw new UsageError(`--${name} is required`);
  }
  checkTogether(values, "etcd-certfile", "etcd-keyfile");
  checkTogether(values, "kubelet-client-certificate", "kubelet-client-key");
  // Port 0 lets the system choose, as tests want.
  checkPort(values["secure-port"]);
  // Upstream's default is AlwaysAllow, which nobody wants to get by forgetting a flag.
  const modes = values["authorization-mode"].length > 0 ? values["authorization-mode"] : ["Node", "RBAC"];
  for (const mode of modes) {
    if (!MODES.has(mode)) throw new UsageError(`--authorization-mode ${mode} is not one of ${[...MODES].join(", ")}`);
  }
  return Object.freeze({
    ...values,
    audit: auditConfig(values),
    flagTexts: formatFlags(flags, values),
    kinds: servedKinds(values["runtime-config"]),
    "authorization-mode": modes,
    "etcd-prefix": values["etcd-prefix"].replace(/\/+$/, ""),
    "advertise-address": values["advertise-address"] || defaultAddress(values["bind-address"]),
  });
}

/** Without these there is nothing to serve, or nobody could be told from anybody else. */
const REQUIRED = [
  "etcd-servers",
  "tls-cert-file",
  "tls-private-key-file",
  "client-ca-file",
  "service-account-key-file",
  "service-account-signing-key-file",
] as const;

/** Webhook and ABAC are left out. */
const MODES: ReadonlySet<string> = new Set(["Node", "RBAC", "AlwaysAllow", "AlwaysDeny"]);

/** A certificate without its key proves nothing. */
function checkTogether(values: Readonly<Record<string, unknown>>, one: string, other: string): void {
  if (Boolean(values[one]) !== Boolean(values[other])) throw new UsageError(`--${one} and --${other} go together`);
}

function checkPort(port: number): void {
  if (port < 0 || port > 65535) throw new UsageError(`--secure-port ${port} is not a port`);
}

/** The address to tell others when none was given: the one we listen on, or the first that is not loopback. */
function defaultAddress(bind: string): string {
  if (bind !== "0.0.0.0" && bind !== "::") return bind;
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((address) => !address.internal && address.family === "IPv4")?.address ?? "127.0.0.1";
}
