// What /configz answers.
import type { KubeletConfig } from "./config.ts";

/** The running configuration in the names of KubeletConfiguration. */
export function configzOf(config: KubeletConfig): object {
  return {
    address: config.address,
    port: config.port,
    readOnlyPort: 0,
    healthzBindAddress: config["healthz-bind-address"],
    healthzPort: config["healthz-port"],
    clusterDomain: config["cluster-domain"],
    clusterDNS: config["cluster-dns"],
    resolvConf: config["resolv-conf"],
    maxPods: config["max-pods"],
    podPidsLimit: config["pod-max-pids"],
    cgroupRoot: config["cgroup-root"],
    cgroupDriver: "cgroupfs",
    containerRuntimeEndpoint: config["container-runtime-endpoint"],
    podLogsDir: config["pod-log-dir"],
    nodeStatusUpdateFrequency: `${config["node-status-update-frequency"] / 1000}s`,
    nodeLeaseDurationSeconds: 40,
    authentication: { anonymous: { enabled: config["anonymous-auth"] }, webhook: { enabled: true } },
    authorization: { mode: "Webhook" },
  };
}
