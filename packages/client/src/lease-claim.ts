// Pure rules of leader election: whose a Lease is, and what is written into it.
import type { Unsaved } from "@skiff/api/object.ts";
import type { Lease } from "@skiff/api/types.ts";

/** Who asks for the lease, and for how long. */
export interface LeaseClaim {
  readonly identity: string;
  readonly leaseDurationMs: number;
  /** Our wall time as a MicroTime: for people to read, nobody computes with it. */
  readonly now: string;
}

/** Whether `identity` may write itself in. `unchangedMs` is how long the record has not changed, by our own clock. */
export function claimOf(lease: Readonly<Lease>, identity: string, unchangedMs: number): "ours" | "free" | "held" {
  const { holderIdentity, leaseDurationSeconds = 0 } = lease.spec ?? {};
  // Upstream empties the name on release, so that nobody waits for the duration.
  if (holderIdentity === identity) return "ours";
  if (!holderIdentity) return "free";
  return unchangedMs >= leaseDurationSeconds * 1000 ? "free" : "held";
}

/** The first lease under that name. */
export function newLease(place: { namespace: string; name: string }, claim: LeaseClaim): Unsaved<Lease> {
  return {
    metadata: { name: place.name, namespace: place.namespace },
    spec: { ...terms(claim), acquireTime: claim.now, leaseTransitions: 0 },
  };
}

/** The lease renewed by its holder, or taken over by a new one: then the transitions count up. */
export function acquire(lease: Readonly<Lease>, claim: LeaseClaim): Lease {
  const spec = lease.spec ?? {};
  const isRenewal = spec.holderIdentity === claim.identity;
  const { acquireTime = claim.now, leaseTransitions = 0 } = spec;
  return {
    ...lease,
    spec: {
      ...spec,
      ...terms(claim),
      acquireTime: isRenewal ? acquireTime : claim.now,
      leaseTransitions: isRenewal ? leaseTransitions : leaseTransitions + 1,
    },
  };
}

/** The lease given back: nobody holds it, and it runs out in a second, the least that the API takes. */
export function released(lease: Readonly<Lease>, now: string): Lease {
  return {
    ...lease,
    spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now },
  };
}

function terms({ identity, leaseDurationMs, now }: LeaseClaim) {
  return { holderIdentity: identity, leaseDurationSeconds: Math.round(leaseDurationMs / 1000), renewTime: now };
}
