// Picks the address ranges of a cluster: one /16 that overlaps nothing the host knows, split for nodes, Services and pods.
import { createHash } from "node:crypto";
import { UserError } from "../user-error.ts";

/** All ranges lie within `range`, so one host route and one NAT rule cover the cluster. */
export interface AddressPlan {
  readonly range: string;
  readonly nodes: string;
  readonly services: string;
  readonly pods: string;
  /** The apiserver's and etcd's address, and the switch's. */
  readonly controlPlane: string;
  /** The host's own address on the link. */
  readonly host: string;
  /** The ClusterIP of the Service `kubernetes`. */
  readonly apiService: string;
  /** The ClusterIP kept for the cluster DNS. */
  readonly dnsService: string;
}

/** A range that the host uses already, and by what. */
export interface UsedRange {
  readonly cidr: string;
  readonly owner: string;
}

/** The most nodes that the node range and the pod range can hold. */
export const MAX_NODES = 100;

/** The first free range, in an order that the cluster's name decides, so that clusters side by side rarely compete. */
export function planAddresses(clusterId: string, used: readonly UsedRange[]): AddressPlan {
  const candidates = candidatesFor(clusterId);
  const free = candidates.find((prefix) => !used.some((range) => overlaps(`${prefix}.0.0/16`, range.cidr)));
  if (!free) {
    const owners = [...new Set(used.map((range) => `${range.cidr} (${range.owner})`))].join(", ");
    throw new UserError(`no free private address range for the cluster: the host uses ${owners}`);
  }
  return planWithin(free);
}

/** `prefix` is the first two bytes, such as `10.42`. */
export function planWithin(prefix: string): AddressPlan {
  return {
    range: `${prefix}.0.0/16`,
    nodes: `${prefix}.0.0/24`,
    services: `${prefix}.64.0/18`,
    pods: `${prefix}.128.0/17`,
    controlPlane: `${prefix}.0.1`,
    host: `${prefix}.0.2`,
    apiService: `${prefix}.64.1`,
    dnsService: `${prefix}.64.10`,
  };
}

/** Nodes follow the control plane: `index` counts from 0. */
export function nodeAddress(plan: AddressPlan, index: number): string {
  return plan.nodes.replace(/\.0\/24$/, `.${11 + index}`);
}

/** The used range that the plan overlaps, where there is one. */
export function findOverlap(plan: AddressPlan, used: readonly UsedRange[]): UsedRange | undefined {
  return used.find((range) => overlaps(plan.range, range.cidr));
}

function candidatesFor(clusterId: string): string[] {
  const tens = Array.from({ length: 240 }, (_, index) => `10.${index + 16}`);
  const others = Array.from({ length: 16 }, (_, index) => `172.${index + 16}`);
  const start = createHash("sha256").update(clusterId).digest().readUInt16BE(0) % tens.length;
  return [...tens.slice(start), ...tens.slice(0, start), ...others];
}

/** Whether two IPv4 ranges share an address. A single address is a /32. */
export function overlaps(one: string, other: string): boolean {
  const a = parseRange(one);
  const b = parseRange(other);
  if (!a || !b) return false;
  return a.first <= b.last && b.first <= a.last;
}

function parseRange(cidr: string): { first: number; last: number } | undefined {
  const [address = "", bits = "32"] = cidr.split("/");
  const bytes = address.split(".").map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) return undefined;
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(value / size) * size;
  return { first, last: first + size - 1 };
}
