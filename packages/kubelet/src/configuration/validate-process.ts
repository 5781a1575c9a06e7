// What must hold of the configuration of the kubelet's own process and of who may call it, in upstream's words. Pure.
import type { Settings } from "./fields.ts";

/** A kubelet that breaks one of them refuses to start; the message names the field and its flag. */
export const PROCESS_RULES: readonly ((settings: Settings) => string | undefined)[] = [
  ({ systemCgroups, cgroupRoot }) =>
    systemCgroups !== "" && cgroupRoot === ""
      ? "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified"
      : undefined,
  // Nobody could ever call.
  (s) =>
    s["authentication.webhook.enabled"] ||
    s["authentication.anonymous.enabled"] ||
    s["authentication.x509.clientCAFile"] !== ""
      ? undefined
      : "no authentication method configured",
  (s) => notNegative(s.eventBurst, "eventBurst (--event-burst)"),
  (s) => notNegative(s.eventRecordQPS, "eventRecordQPS (--event-qps)"),
  (s) => notNegative(s.registryBurst, "registryBurst (--registry-burst)"),
  (s) => notNegative(s.registryPullQPS, "registryPullQPS (--registry-qps)"),
  (s) => notNegative(s.kubeAPIBurst, "kubeAPIBurst (--kube-api-burst)"),
  (s) => notNegative(s.kubeAPIQPS, "kubeAPIQPS (--kube-api-qps)"),
  (s) => notNegative(s.maxOpenFiles, "maxOpenFiles (--max-open-files)"),
  (s) => within(s.iptablesDropBit, 0, 31, "iptablesDropBit (--iptables-drop-bit)"),
  (s) => within(s.iptablesMasqueradeBit, 0, 31, "iptablesMasqueradeBit (--iptables-masquerade-bit)"),
  ({ nodeStatusMaxImages: max }) =>
    max < -1 ? `nodeStatusMaxImages (--node-status-max-images) ${max} must be -1 or greater` : undefined,
  ({ memoryThrottlingFactor: factor }) =>
    factor > 0 && factor <= 1
      ? undefined
      : `memoryThrottlingFactor ${factor} must be greater than 0 and less than or equal to 1.0`,
];

function notNegative(value: number, name: string): string | undefined {
  return value < 0 ? `${name} ${value} must not be a negative number` : undefined;
}

function within(value: number, min: number, max: number, name: string): string | undefined {
  return value < min || value > max ? `${name} ${value} must be between ${min} and ${max}, inclusive` : undefined;
}
