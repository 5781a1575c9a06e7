// node-network's flags as one validated configuration.
import { parseCidr } from "@skiff/api/ip.ts";
import { commonFlags, flag, parseFlags, UsageError } from "@skiff/component-base/flags.ts";

const flags = {
  ...commonFlags,
  kubeconfig: flag.string("", "path to the kubeconfig with the apiserver's address and our credentials"),
  "hostname-override": flag.string("", "the name of this node"),
  "cluster-cidr": flag.string("", "the pods' address range; what leaves it is masqueraded"),
  mode: flag.string("routes", "how pods of other nodes are reached: routes (nodes share a link) or vxlan"),
  "cni-conf-dir": flag.string(
    "/etc/cni/net.d",
    "where the CNI configuration is written; empty: no pods here, only routes to theirs",
  ),
  "cni-data-dir": flag.string("/var/lib/cni/networks", "where host-local keeps the addresses it handed out"),
  mtu: flag.int(0, "MTU of pod interfaces; 0: that of the node's link, less the VXLAN header"),
  "healthz-bind-address": flag.string("127.0.0.1", "address of /healthz and /metrics"),
  "healthz-port": flag.int(10261, "port of /healthz and /metrics; 0: off"),
};

export interface NodeNetworkConfig {
  readonly v: number;
  readonly kubeconfig: string;
  readonly nodeName: string;
  readonly clusterCidr: string;
  readonly mode: "routes" | "vxlan";
  /** Empty: this machine has no pods, and only needs routes to theirs. */
  readonly cniConfDir: string;
  readonly cniDataDir: string;
  /** 0: derive it from the node's link. */
  readonly mtu: number;
  readonly healthzAddress: string;
  readonly healthzPort: number;
}

/** Throws UsageError that names the flag. */
export function parseConfig(argv: readonly string[]): NodeNetworkConfig {
  const values = parseFlags("node-network", argv, flags);
  if (!values.kubeconfig) throw new UsageError("--kubeconfig is required");
  if (!values["hostname-override"]) throw new UsageError("--hostname-override is required: the name of this node");
  const { mode } = values;
  if (mode !== "routes" && mode !== "vxlan") throw new UsageError(`--mode "${mode}" is neither routes nor vxlan`);
  if (mode === "vxlan" && !values["cni-conf-dir"]) {
    throw new UsageError("--mode vxlan needs --cni-conf-dir: a tunnel ends at a machine with pods");
  }
  if (!parseCidr(values["cluster-cidr"]))
    throw new UsageError(`--cluster-cidr "${values["cluster-cidr"]}" is no address range`);
  return Object.freeze({
    v: values.v,
    kubeconfig: values.kubeconfig,
    nodeName: values["hostname-override"],
    clusterCidr: values["cluster-cidr"],
    mode,
    cniConfDir: values["cni-conf-dir"],
    cniDataDir: values["cni-data-dir"],
    mtu: values.mtu,
    healthzAddress: values["healthz-bind-address"],
    healthzPort: values["healthz-port"],
  });
}
