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

/** What the runtime writes into the containers' /etc/resolv.conf. */
export interface PodDns {
  readonly servers: string[];
  readonly searches: string[];
  readonly options: string[];
}

/** The policy's base with the pod's own dnsConfig added to it, as far as resolvers read it. */
export function podDns(pod: Pod, settings: DnsSettings): PodDns {
  const { servers, searches, options } = wantedDns(pod, settings);
  return { servers: servers.slice(0, MAX_SERVERS), searches: fittingSearches(searches), options };
}

/** What of it had to be left out, in the words of upstream's events DNSConfigForming. */
export function dnsOmissions(pod: Pod, settings: DnsSettings): string[] {
  const [wanted, applied] = [wantedDns(pod, settings), podDns(pod, settings)];
  const omissions: string[] = [];
  const tell = (what: string, paths: string, line: string, left: readonly string[]) => {
    omissions.push(
      `${what} limits were exceeded, some ${paths} have been omitted, the applied ${line}: ${left.join(" ")}`,
    );
  };
  if (applied.servers.length < wanted.servers.length)
    tell("Nameserver", "nameservers", "nameserver line is", applied.servers);
  if (applied.searches.length < wanted.searches.length)
    tell("Search Line", "search paths", "search line is", applied.searches);
  return omissions;
}

/** Upstream's limits: the C library reads no more servers. */
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;

function fittingSearches(searches: readonly string[]): string[] {
  const fitting = searches.slice(0, MAX_SEARCHES);
  while (fitting.join(" ").length > MAX_SEARCH_CHARS) fitting.pop();
  return fitting;
}

function wantedDns(pod: Pod, settings: DnsSettings): PodDns {
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
