// The pod-wide half of what the runtime is told: names, DNS, ports, logs, namespaces. Pure.
import type { Pod } from "@skiff/api/types.ts";
import type { CpuQuotas } from "../cgroups/cpu-quotas.ts";
import { sandboxOverhead, sandboxResources } from "../cgroups/sandbox-resources.ts";
import type { PodSandboxConfig, UserNamespace } from "../cri/types.ts";
import { dottedSysctl } from "../sysctls.ts";
import type { DnsSettings } from "./dns.ts";
import { podDns } from "./dns.ts";
import { podLabels } from "./labels.ts";
import { sandboxSecurityContext } from "./security-context.ts";

/** What comes from the node rather than from the pod. */
export interface SandboxSettings {
  readonly logDirectory: string;
  readonly cgroupParent: string;
  readonly dns: DnsSettings;
  readonly clusterDomain: string;
  readonly users: UserNamespace;
  readonly quotas?: CpuQuotas | undefined;
}

/** Throws where the pod's name does not fit the kernel. */
export function sandboxConfig(pod: Pod, attempt: number, settings: SandboxSettings): PodSandboxConfig {
  const { name, namespace = "", uid = "" } = pod.metadata;
  const spec = pod.spec;
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const overhead = sandboxOverhead(pod, settings.quotas);
  return {
    metadata: { name, namespace, uid, attempt },
    hostname: spec?.hostNetwork ? "" : kernelHostname(pod, settings.clusterDomain),
    logDirectory: settings.logDirectory,
    dnsConfig: podDns(pod, settings.dns),
    portMappings: spec?.hostNetwork
      ? []
      : containers.flatMap((container) =>
          (container.ports ?? []).map((port) => ({
            protocol: port.protocol ?? "TCP",
            containerPort: port.containerPort,
            hostPort: port.hostPort ?? 0,
            hostIp: port.hostIP ?? "",
          })),
        ),
    labels: podLabels(pod),
    annotations: { ...pod.metadata.annotations },
    linux: {
      cgroupParent: settings.cgroupParent,
      sysctls: Object.fromEntries(
        (spec?.securityContext?.sysctls ?? []).map(({ name: key, value }) => [dottedSysctl(key), value]),
      ),
      securityContext: sandboxSecurityContext(pod, settings.users),
      resources: sandboxResources(pod, settings.quotas),
      ...(overhead ? { overhead } : {}),
    },
  };
}

/** A DNS label's length; the kernel takes one more. */
const MAX_HOSTNAME_LENGTH = 63;
const MAX_KERNEL_HOSTNAME_LENGTH = 64;

function kernelHostname(pod: Pod, clusterDomain: string): string {
  const { hostname, fqdn } = podHostname(pod, clusterDomain);
  if (!pod.spec?.setHostnameAsFQDN) return hostname;
  if (fqdn.length > MAX_KERNEL_HOSTNAME_LENGTH) {
    const sizes = `${MAX_KERNEL_HOSTNAME_LENGTH} characters is the max, ${fqdn.length} characters requested`;
    throw new Error(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${sizes})`,
    );
  }
  return fqdn;
}

/** The pod's host name, and its name in the cluster's DNS where a subdomain gives it one. */
export function podHostname(pod: Pod, clusterDomain: string): { hostname: string; fqdn: string } {
  const spec = pod.spec;
  if (spec?.hostnameOverride) return { hostname: spec.hostnameOverride, fqdn: spec.hostnameOverride };
  const name = spec?.hostname || pod.metadata.name;
  // Pods' names may be longer than labels of DNS. What is cut off must not leave a dash or dot at the end.
  const hostname = name.slice(0, MAX_HOSTNAME_LENGTH).replace(/[-.]+$/, "");
  const domain = spec?.subdomain ? `${spec.subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : "";
  return { hostname, fqdn: domain ? `${hostname}.${domain}` : hostname };
}
