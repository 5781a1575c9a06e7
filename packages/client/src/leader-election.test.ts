// Two candidates, one Lease, and everything that can go wrong between them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, conflict, notFound } from "@skiff/api/errors.ts";
import type { Lease } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { LeaderElector, LeadershipLost } from "./leader-election.ts";
import { acquire, claimOf, released } from "./lease-claim.ts";
import type { RestClient } from "./rest-client.ts";
import { settle } from "./testing/settle.ts";

/** One Lease with compare-and-swap, as an apiserver keeps it. */
class LeaseServer {
  lease: Lease | undefined;
  isDown = false;
  private version = 0;

  client(): Pick<RestClient, "of"> {
    const api = {
      get: async () => this.guard(this.lease ?? this.missing()),
      create: async (_namespace: string, lease: Lease) => this.store(lease),
      update: async (lease: Lease) => {
        if (lease.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
          throw conflict({ group: "coordination.k8s.io", plural: "leases" }, "l", "changed");
        }
        return this.store(lease);
      },
    };
    return { of: () => api } as unknown as Pick<RestClient, "of">;
  }

  private missing(): never {
    throw notFound({ group: "coordination.k8s.io", plural: "leases" }, "l");
  }

  private guard<T>(value: T): T {
    if (this.isDown) throw new ApiError(500, "InternalError", "down");
    return value;
  }

  private store(lease: Lease): Lease {
    this.guard(lease);
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++this.version) } };
    return this.lease;
  }
}

function candidate(server: LeaseServer, clock: FakeClock, identity: string) {
  const options = { client: server.client(), lease: { namespace: "kube-system", name: "l" }, identity };
  const elector = new LeaderElector(options, { clock, log: silentLogger() });
  const stop = new AbortController();
  let leadingSince: number | undefined;
  let stoppedAt: number | undefined;
  const lead = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      leadingSince = clock.monotonic();
      signal.addEventListener("abort", () => {
        stoppedAt = clock.monotonic();
        resolve();
      });
    });
  const ended = elector.run(lead, stop.signal).then(
    () => "stopped",
    (error: unknown) => (error instanceof LeadershipLost ? "lost" : String(error)),
  );
  return { elector, stop, ended, since: () => leadingSince, stoppedAt: () => stoppedAt };
}

test("leader election lets one lead and the next take over at once after a graceful stop", async () => {
  const [server, clock] = [new LeaseServer(), new FakeClock()];
  const a = candidate(server, clock, "a");
  await settle();
  const b = candidate(server, clock, "b");
  await settle();
  await clock.advance(20_000);
  assert.deepEqual([a.elector.holdsLeadership, b.elector.holdsLeadership], [true, false]);
  assert.equal(server.lease?.spec.leaseTransitions, 0);
  a.stop.abort();
  assert.equal(await a.ended, "stopped");
  assert.equal(server.lease?.spec.holderIdentity, "");
  assert.equal(server.lease?.spec.leaseDurationSeconds, 1);
  await clock.advance(5000);
  assert.equal(server.lease?.spec.holderIdentity, "b");
  assert.equal(server.lease?.spec.leaseTransitions, 1);
  b.stop.abort();
  await b.ended;
});

test("a leader that cannot renew stops before anybody else starts", async () => {
  const [server, clock] = [new LeaseServer(), new FakeClock()];
  const a = candidate(server, clock, "a");
  await settle();
  const b = candidate(server, clock, "b");
  await settle();
  await clock.advance(5000);
  server.isDown = true;
  await clock.advance(12_000);
  assert.equal(await a.ended, "lost");
  assert.equal(b.since(), undefined);
  server.isDown = false;
  // Up to 4.4 s until b looks, 15 s of silence from then, and up to 4.4 s until it looks again.
  await clock.advance(30_000);
  assert.ok((a.stoppedAt() ?? Number.NaN) < (b.since() ?? Number.NaN));
  b.stop.abort();
  await b.ended;
});

test("a leader whose lease was taken stops at its next renewal", async () => {
  const [server, clock] = [new LeaseServer(), new FakeClock()];
  const a = candidate(server, clock, "a");
  await settle();
  const taken = { ...server.lease, spec: { holderIdentity: "thief", leaseDurationSeconds: 15 } } as Lease;
  server.lease = { ...taken, metadata: { ...taken.metadata, resourceVersion: "999" } };
  await clock.advance(2000);
  assert.equal(await a.ended, "lost");
});

test("claimOf trusts only its own clock", () => {
  const lease = { metadata: {}, spec: { holderIdentity: "a", leaseDurationSeconds: 15 } } as Lease;
  assert.equal(claimOf(lease, "a", 0), "ours");
  assert.equal(claimOf(lease, "b", 14_999), "held");
  assert.equal(claimOf(lease, "b", 15_000), "free");
  assert.equal(claimOf(released(lease, "2026-01-01T00:00:00.000000Z"), "b", 0), "free");
});

test("acquire keeps acquireTime and transitions for the holder and renews them for another", () => {
  const spec = { holderIdentity: "a", acquireTime: "t0", leaseTransitions: 3, leaseDurationSeconds: 15 };
  const lease = { metadata: {}, spec } as Lease;
  const claim = { leaseDurationMs: 15_000, now: "t1" };
  assert.deepEqual(acquire(lease, { ...claim, identity: "a" }).spec, { ...spec, renewTime: "t1" });
  const other = {
    holderIdentity: "b",
    acquireTime: "t1",
    renewTime: "t1",
    leaseTransitions: 4,
    leaseDurationSeconds: 15,
  };
  assert.deepEqual(acquire(lease, { ...claim, identity: "b" }).spec, other);
});
