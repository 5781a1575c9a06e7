// Leases for objects that vanish after a time (Events): shared by the objects of one minute, for each is a cost to etcd.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { EtcdConnection } from "./etcd-connection.ts";

interface SharedLease {
  readonly id: Promise<string>;
  readonly grantedAt: number;
  uses: number;
}

/** One lease at a time for each time to live; in practice there is one, --event-ttl. */
export class LeasePool {
  private readonly etcd: EtcdConnection;
  private readonly clock: Clock;
  private readonly leases = new Map<number, SharedLease>();

  constructor(etcd: EtcdConnection, deps: { clock: Clock }) {
    this.etcd = etcd;
    this.clock = deps.clock;
  }

  /** The id of a lease that lasts `ttlSeconds` or up to a minute longer. */
  leaseFor(ttlSeconds: number): Promise<string> {
    const now = this.clock.monotonic();
    const shared = this.leases.get(ttlSeconds);
    if (shared && now - shared.grantedAt < SHARE_MS && shared.uses < MAX_USES) {
      shared.uses += 1;
      return shared.id;
    }
    const id = this.etcd.grantLease(ttlSeconds + SHARE_MS / 1000);
    const lease = { id, grantedAt: now, uses: 1 };
    this.leases.set(ttlSeconds, lease);
    id.catch(() => {
      if (this.leases.get(ttlSeconds) === lease) this.leases.delete(ttlSeconds);
    });
    return id;
  }
}

/** An Event may outlive its time by this much, which nobody notices. */
const SHARE_MS = 60_000;
/** Upstream's bound of objects for each lease: revoking a lease deletes all of them in one step. */
const MAX_USES = 1000;
