// The /etc/hosts that the kubelet writes for a pod's containers. Pure.
import type { HostAlias } from "@skiff/api/types.ts";

/** Upstream's head of the file. */
const LOCAL_LINES = [
  "# Kubernetes-managed hosts file.",
  "127.0.0.1\tlocalhost",
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::0\tip6-localnet",
  "fe00::0\tip6-mcastprefix",
  "fe00::1\tip6-allnodes",
  "fe00::2\tip6-allrouters",
];

/** `fqdn` is the same as `hostname` where the pod has no subdomain. */
export interface HostsEntries {
  readonly ips: readonly string[];
  readonly hostname: string;
  readonly fqdn: string;
  readonly aliases: readonly HostAlias[];
}

/** The file of a pod with a network of its own. */
export function podHosts({ ips, hostname, fqdn, aliases }: HostsEntries): string {
  const names = fqdn === hostname ? hostname : `${fqdn}\t${hostname}`;
  const lines = [...LOCAL_LINES, ...ips.map((ip) => `${ip}\t${names}`)];
  return `${lines.join("\n")}\n${aliasLines(aliases)}`;
}

/** The file of a pod on the node's network: the node's own, with the pod's aliases. */
export function hostNetworkHosts(nodeHosts: string, aliases: readonly HostAlias[]): string {
  return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${aliasLines(aliases)}`;
}

function aliasLines(aliases: readonly HostAlias[]): string {
  if (aliases.length === 0) return "";
  const lines = aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}`);
  return `\n# Entries added by HostAliases.\n${lines.join("\n")}\n`;
}
