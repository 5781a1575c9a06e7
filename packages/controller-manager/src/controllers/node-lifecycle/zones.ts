// Zones, how disrupted each is, and how fast its nodes may evict.
import type { Node } from "@skiff/api/types.ts";

/** By the share of the zone's nodes that are ready. */
export type ZoneState = "Normal" | "PartialDisruption" | "FullDisruption";

/** Region and zone as one key; nodes without labels share one zone. */
export function zoneOf(node: Readonly<Node>): string {
  const labels = node.metadata.labels ?? {};
  const region = labels["topology.kubernetes.io/region"] ?? labels["failure-domain.beta.kubernetes.io/region"] ?? "";
  const zone = labels["topology.kubernetes.io/zone"] ?? labels["failure-domain.beta.kubernetes.io/zone"] ?? "";
  return `${region}:${zone}`;
}

/** Nodes of a zone. */
export interface ZoneHealth {
  readonly ready: number;
  readonly notReady: number;
}

/** Upstream's ComputeZoneState. `threshold` is the share of not-ready nodes from which a zone is in trouble. */
export function zoneStateOf({ ready, notReady }: ZoneHealth, threshold: number): ZoneState {
  if (ready === 0 && notReady > 0) return "FullDisruption";
  // Two broken nodes prove nothing about a zone.
  if (notReady > 2 && notReady / (ready + notReady) >= threshold) return "PartialDisruption";
  return "Normal";
}

/** Nodes per second, and the size from which a troubled zone still evicts. */
export interface EvictionRates {
  readonly evictionRate: number;
  readonly secondaryEvictionRate: number;
  readonly largeClusterThreshold: number;
}

/** Nodes per second. When everything looks broken it is more likely the network than the nodes, so nothing is evicted. */
export function evictionRate(
  state: ZoneState,
  { ready, notReady }: ZoneHealth,
  allDisrupted: boolean,
  rates: EvictionRates,
): number {
  if (allDisrupted) return 0;
  // One dead zone beside healthy ones is what eviction is for: its pods find room elsewhere.
  if (state !== "PartialDisruption") return rates.evictionRate;
  // In a small cluster so many broken nodes are a large part of it, and the rest could not take their pods.
  return ready + notReady > rates.largeClusterThreshold ? rates.secondaryEvictionRate : 0;
}
