// The ranges of user ids that pods may be given, and how a pod's is kept. Pure.

/** A part of the host's ids, as the container's ids from 0 on. Users and groups always have the same. */
export interface IdRange {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

/** `count` ranges of `length` ids each, side by side from `first` on. */
export interface IdPool {
  readonly first: number;
  readonly length: number;
  readonly count: number;
}

/** All ids that the kernel has. */
const ALL_IDS = 2 ** 32;
/** POSIX wants that many; the host's own users lie below as many. */
const SMALLEST_RANGE = 2 ** 16;

/** Everything above the host's own users; the first range is theirs. */
export function defaultPool(idsPerPod: number): IdPool {
  return { first: idsPerPod, length: idsPerPod, count: Math.floor(ALL_IDS / idsPerPod) - 1 };
}

/** The ids that the machine's administrator gave the kubelet. Throws in upstream's words where they cannot serve. */
export function poolOf(given: { first: number; count: number }, idsPerPod: number, maxPods: number): IdPool {
  const { first, count } = given;
  const fail = (what: string): never => {
    throw new Error(`kubelet user assigned ${what}`);
  };
  if (first % idsPerPod !== 0) fail(`ID ${first} is not a multiple of ${idsPerPod}`);
  // To map the host's root would undo what all this is for.
  if (first < idsPerPod) fail(`ID ${first} must be greater or equal to ${idsPerPod}`);
  if (count % idsPerPod !== 0) fail(`IDs length ${count} is not a multiple of ${idsPerPod}`);
  if (count / idsPerPod < maxPods) fail(`IDs are not enough to support ${maxPods} pods`);
  return { first, length: idsPerPod, count: count / idsPerPod };
}

/**
 * The first free range from place `start` on, in a circle. A start at random keeps a range from a new pod for long after an
 * old one had it, whose files may have stayed somewhere. What is taken may be of another pool, from before a change.
 */
export function firstFree(pool: IdPool, taken: readonly IdRange[], start: number): IdRange {
  for (let step = 0; step < pool.count; step++) {
    const hostId = pool.first + ((start + step) % pool.count) * pool.length;
    const end = hostId + pool.length;
    if (taken.some((other) => other.hostId < end && hostId < other.hostId + other.length)) continue;
    return { hostId, containerId: 0, length: pool.length };
  }
  throw new Error("could not find an empty slot to allocate a user namespace");
}

/** Upstream's file, so that either kubelet goes on with the other's pods. */
export function writeRange(range: IdRange): string {
  return JSON.stringify({ uidMappings: [range], gidMappings: [range] });
}

/** Throws, in upstream's words, where the file is none that a kubelet wrote. */
export function readRange(text: string): IdRange {
  const { uidMappings, gidMappings } = parse(text);
  const fail = (why: string): never => {
    throw new Error(`invalid user namespace configuration: ${why}`);
  };
  const [uids] = uidMappings;
  const [gids] = gidMappings;
  if (uidMappings.length !== 1 || !uids) return fail("no more than one mapping allowed.");
  if (gidMappings.length !== 1 || !gids) return fail("GID and UID mappings should be identical.");
  const { hostId, containerId, length } = uids;
  if (gids.hostId !== hostId || gids.containerId !== containerId || gids.length !== length)
    return fail("GID and UID mapping should be identical");
  if (containerId !== 0) return fail("UID 0 must be mapped");
  // The host's own users are nobody's to give away, whatever the file says.
  if (!Number.isInteger(hostId) || hostId < SMALLEST_RANGE) return fail(`host id ${hostId} must not be given to pods`);
  if (!Number.isInteger(length) || length < SMALLEST_RANGE) throw new Error(`wrong user namespace length ${length}`);
  return { hostId, containerId, length };
}

function parse(text: string): { uidMappings: readonly IdRange[]; gidMappings: readonly IdRange[] } {
  try {
    const { uidMappings = [], gidMappings = [] } = JSON.parse(text);
    return { uidMappings, gidMappings };
  } catch (error) {
    throw new Error(`invalid user namespace mappings file: ${(error as Error).message}`, { cause: error });
  }
}
