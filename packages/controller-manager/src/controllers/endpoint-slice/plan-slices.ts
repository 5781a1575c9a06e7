// Decides how a Service's endpoints lie in slices, with as few writes as possible.
import { stableStringify } from "@skiff/api/hash.ts";
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from "@skiff/api/types.ts";

/** Endpoints that share one set of ports. */
export interface PortGroup {
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** What a slice should hold. Without `slice` it is to be created. */
export interface SliceWrite {
  readonly slice?: Readonly<EndpointSlice>;
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** Writes come before removals, so that no endpoint is ever missing from all slices. */
export interface SlicesPlan {
  readonly write: readonly SliceWrite[];
  readonly remove: readonly Readonly<EndpointSlice>[];
}

/**
 * Lays out one address type. `isStale` says that a slice needs a write whatever it holds, such as for its labels. Slices lose and
 * refresh endpoints in place; new endpoints go into slices that are written anyway, then into the fullest with room, then into new ones.
 */
export function planSlices(
  groups: readonly PortGroup[],
  existing: readonly Readonly<EndpointSlice>[],
  maxPerSlice: number,
  isStale: (slice: Readonly<EndpointSlice>) => boolean,
): SlicesPlan {
  const byPorts = Map.groupBy(existing, (slice) => portsKey(slice.ports ?? []));
  const creates: SliceWrite[] = [];
  const updates: SliceWrite[] = [];
  const spare: Readonly<EndpointSlice>[] = [];
  for (const group of groups) {
    const key = portsKey(group.ports);
    const layout = layGroup(group, byPorts.get(key) ?? [], maxPerSlice, isStale);
    byPorts.delete(key);
    creates.push(...layout.creates);
    updates.push(...layout.updates);
    spare.push(...layout.spare);
  }
  spare.push(...[...byPorts.values()].flat());
  const kept = existing.length - spare.length;
  // A Service without endpoints keeps one empty slice, so that its readers can tell "none" from "not yet known".
  if (kept === 0 && creates.length === 0) {
    const placeholder = spare.findIndex((slice) => isPlaceholder(slice) && !isStale(slice));
    if (placeholder >= 0) return { write: updates, remove: spare.toSpliced(placeholder, 1) };
    creates.push({ ports: [], endpoints: [] });
  }
  // Writing over a slice that would go is one write instead of two, and watchers see no gap.
  const recycled = creates.map((create) => {
    const slice = spare.shift();
    return slice ? { ...create, slice } : create;
  });
  return { write: [...updates, ...recycled], remove: spare };
}

interface Layout {
  readonly creates: SliceWrite[];
  readonly updates: SliceWrite[];
  readonly spare: Readonly<EndpointSlice>[];
}

/** A slice as it will be; unchanged ones cost no write. */
interface Draft {
  readonly slice: Readonly<EndpointSlice>;
  readonly endpoints: Endpoint[];
  isChanged: boolean;
}

function layGroup(
  { ports, endpoints }: PortGroup,
  existing: readonly Readonly<EndpointSlice>[],
  maxPerSlice: number,
  isStale: (slice: Readonly<EndpointSlice>) => boolean,
): Layout {
  // First all slices drop what is not wanted, so that the room they have is known; then what is missing is laid into it.
  const missing = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const drafts = existing.map((slice) => keepWanted(slice, missing, maxPerSlice, isStale(slice)));
  const used = drafts.filter((draft) => draft.endpoints.length > 0);
  const rest = [...missing.values()];
  const byFullness = used.toSorted((a, b) => b.endpoints.length - a.endpoints.length);
  for (const draft of byFullness.filter((draft) => draft.isChanged)) {
    draft.endpoints.push(...rest.splice(0, maxPerSlice - draft.endpoints.length));
  }
  const creates: SliceWrite[] = [];
  while (rest.length >= maxPerSlice) creates.push({ ports, endpoints: rest.splice(0, maxPerSlice) });
  if (rest.length > 0) {
    // The fullest that takes the whole rest: one write, and few slices stay half empty.
    const room = byFullness.find((draft) => draft.endpoints.length + rest.length <= maxPerSlice);
    if (room) {
      room.endpoints.push(...rest);
      room.isChanged = true;
    } else creates.push({ ports, endpoints: rest });
  }
  return {
    creates,
    updates: used
      .filter((draft) => draft.isChanged)
      .map(({ slice, endpoints: all }) => ({ slice, ports, endpoints: all })),
    spare: drafts.filter((draft) => draft.endpoints.length === 0).map((draft) => draft.slice),
  };
}

/** What of a slice stays, in its present form; what it has taken leaves `missing`. */
function keepWanted(
  slice: Readonly<EndpointSlice>,
  missing: Map<string, Endpoint>,
  maxPerSlice: number,
  isStale: boolean,
): Draft {
  const draft: Draft = { slice, endpoints: [], isChanged: isStale };
  for (const endpoint of slice.endpoints ?? []) {
    const key = endpointKey(endpoint);
    const wanted = draft.endpoints.length < maxPerSlice ? missing.get(key) : undefined;
    if (!wanted) {
      draft.isChanged = true;
      continue;
    }
    missing.delete(key);
    draft.endpoints.push(wanted);
    if (stableStringify(wanted) !== stableStringify(endpoint)) draft.isChanged = true;
  }
  return draft;
}

function isPlaceholder(slice: Readonly<EndpointSlice>): boolean {
  return !slice.ports?.length && !slice.endpoints?.length;
}

/** A pod keeps its endpoint when its address or readiness changes. */
function endpointKey(endpoint: Endpoint): string {
  return endpoint.targetRef?.uid ?? [...endpoint.addresses].sort().join();
}

/** Equal for equal sets of ports, in whatever order. */
export function portsKey(ports: readonly DiscoveryV1EndpointPort[]): string {
  const texts = ports.map(({ name, port, protocol, appProtocol }) =>
    JSON.stringify([name ?? "", port, protocol ?? "TCP", appProtocol ?? ""]),
  );
  return texts.sort().join();
}
