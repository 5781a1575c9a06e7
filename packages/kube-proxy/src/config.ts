// kube-proxy's flags as one validated configuration.
import { commonFlags, flag, parseFlags, UsageError } from "@skiff/component-base/flags.ts";

const flags = {
  ...commonFlags,
  kubeconfig: flag.string("", "path to the kubeconfig with the apiserver's address and our credentials"),
  "hostname-override": flag.string("", "the name of this node"),
  "proxy-mode": flag.string("iptables", "iptables"),
  "cluster-cidr": flag.string("", "the pods' address range; traffic to a Service from elsewhere is masqueraded"),
  "masquerade-all": flag.bool(false, "masquerade all traffic to ClusterIPs"),
  "iptables-masquerade-bit": flag.int(14, "the bit of the packet mark that asks for masquerading, 0 to 31"),
  "iptables-localhost-nodeports": flag.bool(true, "answer NodePorts on 127.0.0.1 too"),
  "iptables-sync-period": flag.duration(30_000, "how often the rules are compared with what the kernel holds"),
  "iptables-min-sync-period": flag.duration(1000, "the shortest time between two syncs"),
  "healthz-bind-address": flag.string("0.0.0.0:10256", "address and port of /healthz and /livez; empty: off"),
  "metrics-bind-address": flag.string("127.0.0.1:10249", "address and port of /metrics; empty: off"),
};

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Durations are milliseconds. `undefined` addresses are off. */
export interface ProxyConfig {
  readonly v: number;
  readonly kubeconfig: string;
  readonly nodeName: string;
  /** Empty: unknown. */
  readonly clusterCidr: string;
  readonly masqueradeAll: boolean;
  /** One bit, as `0x4000`. */
  readonly masqueradeMark: string;
  readonly localhostNodePorts: boolean;
  readonly syncPeriodMs: number;
  readonly minSyncPeriodMs: number;
  readonly healthz: HostPort | undefined;
  readonly metrics: HostPort | undefined;
}

/** Throws UsageError that names the flag. */
export function parseConfig(argv: readonly string[]): ProxyConfig {
  const values = parseFlags("kube-proxy", argv, flags);
  if (!values.kubeconfig) throw new UsageError("--kubeconfig is required");
  if (!values["hostname-override"]) throw new UsageError("--hostname-override is required: the name of this node");
  if (values["proxy-mode"] !== "iptables") {
    throw new UsageError(`--proxy-mode ${values["proxy-mode"]} is not available; use iptables`);
  }
  const bit = values["iptables-masquerade-bit"];
  if (bit < 0 || bit > 31) throw new UsageError(`--iptables-masquerade-bit ${bit} is not within 0 to 31`);
  return Object.freeze({
    v: values.v,
    kubeconfig: values.kubeconfig,
    nodeName: values["hostname-override"],
    clusterCidr: values["cluster-cidr"],
    masqueradeAll: values["masquerade-all"],
    masqueradeMark: `0x${(2 ** bit).toString(16)}`,
    localhostNodePorts: values["iptables-localhost-nodeports"],
    syncPeriodMs: values["iptables-sync-period"],
    minSyncPeriodMs: values["iptables-min-sync-period"],
    healthz: hostPort("healthz-bind-address", values["healthz-bind-address"]),
    metrics: hostPort("metrics-bind-address", values["metrics-bind-address"]),
  });
}

/** `address:port` or `[address]:port`; without an address all are meant, as in Go. */
function hostPort(name: string, text: string): HostPort | undefined {
  if (!text) return undefined;
  const match = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(text);
  if (!match || Number(match[2]) > 65535) throw new UsageError(`--${name} "${text}" is not of the form address:port`);
  return { host: match[1] || "0.0.0.0", port: Number(match[2]) };
}
