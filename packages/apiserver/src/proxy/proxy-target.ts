// What `pods/NAME/proxy`, `services/NAME/proxy` and `nodes/NAME/proxy` mean: the address behind the name.
import { BlockList, isIP } from "node:net";
import { ApiError, badRequest, notFound } from "@skiff/api/errors.ts";
import { endpoints, nodes, pods, services } from "@skiff/api/resource-ref.ts";
import type { Endpoints } from "@skiff/api/types.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { BackendTarget } from "./backend.ts";
import { locateKubelet } from "./node-location.ts";

/** Where to connect to; the path is the request's. */
export type ProxyAddress = Omit<BackendTarget, "path">;

/** The parts of a name such as `https:web:8443`. */
export interface SchemeNamePort {
  readonly scheme: "" | "http" | "https";
  readonly name: string;
  /** Number or name; may be empty. */
  readonly port: string;
}

/** `name`, `name:port`, `scheme:name:port`; undefined for anything else. */
export function splitSchemeNamePort(id: string): SchemeNamePort | undefined {
  const parts = id.split(":");
  const [scheme, name, port] =
    parts.length === 1 ? ["", parts[0], ""] : parts.length === 2 ? ["", ...parts] : parts.length === 3 ? parts : [];
  if (!name || port === undefined || (scheme !== "" && scheme !== "http" && scheme !== "https")) return undefined;
  return { scheme, name, port };
}

/** Throws upstream's errors for names that lead nowhere. */
export async function resolveProxyTarget(
  reader: ObjectReader,
  request: { readonly resource: string; readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<ProxyAddress> {
  const { resource, namespace, name } = request;
  const parts = splitSchemeNamePort(name);
  if (!parts) throw badRequest(`invalid ${resource.replace(/s$/, "")} request "${name}"`);
  switch (resource) {
    case "pods":
      return podAddress(reader, namespace, parts, signal);
    case "services":
      return serviceAddress(reader, namespace, parts, signal);
    default:
      return nodeAddress(reader, parts, signal);
  }
}

async function podAddress(
  reader: ObjectReader,
  namespace: string,
  { scheme, name, port }: SchemeNamePort,
  signal: AbortSignal,
): Promise<ProxyAddress> {
  const pod = await reader.getLatest(pods, namespace, name, signal);
  if (!pod) throw notFound(pods, name);
  // Without a port in the name the first declared one is meant.
  const declared = pod.spec.containers.flatMap((container) => container.ports ?? [])[0]?.containerPort;
  const host = proxyable(pod.status?.podIP ?? "");
  const protocol = scheme || "http";
  return { protocol, host, port: port ? portNumber(port) : (declared ?? defaultPort(protocol)), trust: "any" };
}

async function serviceAddress(
  reader: ObjectReader,
  namespace: string,
  { scheme, name, port }: SchemeNamePort,
  signal: AbortSignal,
): Promise<ProxyAddress> {
  let portName = port;
  // Endpoints know ports by name, so that a Service's port number is looked up first.
  if (/^\d+$/.test(port)) {
    const service = await reader.getLatest(services, namespace, name, signal);
    if (!service) throw notFound(services, name);
    const found = service.spec.ports?.find((candidate) => candidate.port === Number(port));
    if (!found) throw unavailable(`no service port ${port} found for service "${name}"`);
    portName = found.name ?? "";
  }
  const found = await reader.getLatest(endpoints, namespace, name, signal);
  if (!found) throw notFound(endpoints, name);
  const ready = readyAddresses(found, portName);
  // One ready endpoint by chance: the apiserver balances by itself, not through the cluster IP.
  const chosen = ready[Math.floor(Math.random() * ready.length)];
  if (!chosen) throw unavailable(`no endpoints available for service "${name}"`);
  return { protocol: scheme || "http", host: proxyable(chosen.ip), port: chosen.port, trust: "any" };
}

function readyAddresses({ subsets = [] }: Readonly<Endpoints>, portName: string): { ip: string; port: number }[] {
  return subsets.flatMap((subset) => {
    const port = subset.ports?.find(({ name = "" }) => name === portName)?.port;
    return port === undefined ? [] : (subset.addresses ?? []).map(({ ip }) => ({ ip, port }));
  });
}

/** The kubelet itself unless another port of the node is asked for. */
async function nodeAddress(
  reader: ObjectReader,
  { scheme, name, port }: SchemeNamePort,
  signal: AbortSignal,
): Promise<ProxyAddress> {
  const kubelet = await locateKubelet(reader, name, signal);
  if (port === "" || Number(port) === kubelet.port) return { protocol: "https", ...kubelet, trust: "kubelet" };
  if (!reader.get(nodes, "", name)) throw notFound(nodes, name);
  return { protocol: scheme || "http", host: proxyable(kubelet.host), port: portNumber(port), trust: "any" };
}

/** Where upstream's dialler would fail, and with its words. */
function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw unavailable(`error trying to reach service: dial tcp: address ${text}: invalid port`);
  return port;
}

function defaultPort(protocol: "http" | "https"): number {
  return protocol === "https" ? 443 : 80;
}

function unavailable(message: string): ApiError {
  return new ApiError(503, "ServiceUnavailable", message);
}

// A BlockList judges IPv4 addresses and their IPv6 form by the same rules.
// Whoever may write a pod's status or Endpoints must not reach the apiserver's own machine through it.
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet("127.0.0.0", 8, "ipv4");
FORBIDDEN.addSubnet("169.254.0.0", 16, "ipv4");
FORBIDDEN.addSubnet("224.0.0.0", 4, "ipv4");
FORBIDDEN.addAddress("0.0.0.0", "ipv4");
FORBIDDEN.addAddress("::1", "ipv6");
FORBIDDEN.addAddress("::", "ipv6");
FORBIDDEN.addSubnet("fe80::", 10, "ipv6");
FORBIDDEN.addSubnet("ff00::", 8, "ipv6");

/** The address itself, or 400 for one that leads to the apiserver's machine, its link or a group of machines. */
export function proxyable(host: string): string {
  const version = isIP(host);
  const isForbidden = version > 0 && FORBIDDEN.check(host, version === 6 ? "ipv6" : "ipv4");
  if (!host || host === "localhost" || isForbidden) throw badRequest("address not allowed");
  return host;
}
