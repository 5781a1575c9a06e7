// The resolver configuration of a pod: its dnsPolicy and dnsConfig over the cluster's and the node's. Pure.
import type { Pod } from "@skiff/api/types.ts";

/** What a resolv.conf holds. */
export interface Resolver {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** `node` is what pods get that ask for the node's own resolver, dnsPolicy Default. */
export interface DnsSettings {
  /** Addresses of the cluster's DNS service; empty until it has one. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly node: Resolver;
}

/**
 * What the runtime writes into the containers' /etc/resolv.conf: the policy's base, with the pod's own dnsConfig
 * added to it.
 */
export function podDns(pod: Pod, settings: DnsSettings): { servers: string[]; searches: string[]; options: string[] } {
  const base = basePolicy(pod, settings);
  const extra = pod.spec?.dnsConfig;
  return {
    servers: unique([...base.servers, ...(extra?.nameservers ?? [])]),
    searches: unique([...base.searches, ...(extra?.searches ?? [])]),
    options: mergeOptions(base.options, extra?.options ?? []),
  };
}

function basePolicy(pod: Pod, { clusterDns, clusterDomain, node }: DnsSettings): Resolver {
  const spec = pod.spec;
  const policy = spec?.dnsPolicy ?? "ClusterFirst";
  if (policy === "None") return { servers: [], searches: [], options: [] };
  const wantsCluster = policy === "ClusterFirstWithHostNet" || (policy === "ClusterFirst" && !spec?.hostNetwork);
  // Without a cluster DNS upstream falls back to the node's resolver.
  if (!wantsCluster || clusterDns.length === 0) return node;
  const namespace = pod.metadata.namespace ?? "";
  // By these a Service is found as `web` in its own namespace and as `web.other` from another one.
  const domains = clusterDomain ? [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain] : [];
  // ndots 5: even a name with four dots is tried inside the cluster first.
  return { servers: clusterDns, searches: unique([...domains, ...node.searches]), options: ["ndots:5"] };
}

function mergeOptions(
  base: readonly string[],
  extra: readonly { name?: string | undefined; value?: string | undefined }[],
): string[] {
  const merged = new Map(base.map((option) => [option.split(":")[0] ?? option, option]));
  for (const { name, value } of extra) if (name) merged.set(name, value ? `${name}:${value}` : name);
  return [...merged.values()];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

/** Reads a resolv.conf; of `search` the last line counts. */
export function parseResolvConf(text: string): Resolver {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0]) servers.push(rest[0]);
    if (word === "search") searches = rest.filter((domain) => domain !== ".").map((d) => d.replace(/\.$/, ""));
    if (word === "options") options = rest;
  }
  return { servers, searches, options };
}
