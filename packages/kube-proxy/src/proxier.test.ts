// When the proxier syncs, how it goes on after a failure, and when it calls itself healthy.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "@skiff/api/types.ts";
import type { InformerHandler } from "@skiff/client/informer.ts";
import { ObjectStore } from "@skiff/client/object-store.ts";
import { settle } from "@skiff/client/testing/settle.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { Proxier, SLICES_BY_SERVICE, sliceService } from "./proxier.ts";

/** A proxier over empty listers, whose backend fails while `isBroken` is set. */
async function start() {
  const clock = new FakeClock(Date.UTC(2026, 0, 2));
  const handlers: InformerHandler<Service>[] = [];
  const services = {
    lister: new ObjectStore<Service>(),
    addHandler(handler: InformerHandler<Service>) {
      handlers.push(handler);
      return { [Symbol.dispose]() {} };
    },
    synced: async () => {},
  };
  const slices = {
    lister: new ObjectStore<EndpointSlice>({ [SLICES_BY_SERVICE]: sliceService }),
    addHandler: () => ({ [Symbol.dispose]() {} }),
    synced: async () => {},
  };
  const kernel = { isBroken: false, isFlushed: false, syncs: [] as { atMs: number; full: boolean }[] };
  const backend = {
    name: "fake",
    async sync(_ports: unknown, full: boolean) {
      kernel.syncs.push({ atMs: clock.monotonic(), full });
      if (kernel.isBroken) throw new Error("the tables are locked");
      kernel.isFlushed = false;
    },
    wasFlushed: async () => kernel.isFlushed,
  };
  const options = { nodeName: "n1", syncPeriodMs: 30_000, minSyncPeriodMs: 1000 };
  const deps = { services, slices, backend, clock, log: silentLogger(), metrics: new MetricsRegistry() };
  const proxier = new Proxier(options, deps);
  const stop = new AbortController();
  const running = proxier.run(stop.signal).catch((error: unknown) => assert.equal(error, stop.signal.reason));
  await settle();
  const change = () => handlers[0]?.onDelete?.({ metadata: { name: "web" } } as Service);
  const finish = async () => {
    stop.abort();
    await running;
  };
  return { clock, kernel, proxier, change, finish };
}

test("proxier writes changes that come together in one sync, and everything only at the start", async () => {
  const { clock, kernel, change, finish } = await start();
  assert.deepEqual(kernel.syncs, [{ atMs: 0, full: true }]);
  change();
  change();
  await clock.advance(1000);
  assert.deepEqual(kernel.syncs.slice(1), [{ atMs: 1000, full: false }]);
  await finish();
});

test("proxier pauses after a failed sync, repeats it in full, and is unhealthy while that lasts", async () => {
  const { clock, kernel, proxier, change, finish } = await start();
  kernel.isBroken = true;
  change();
  await clock.advance(9000);
  assert.equal(kernel.syncs.length, 1 + 5);
  assert.ok(kernel.syncs.slice(2).every(({ full }) => full));
  assert.equal(proxier.isHealthy, true);
  await clock.advance(60_000);
  assert.equal(proxier.isHealthy, false);
  kernel.isBroken = false;
  await clock.advance(2000);
  assert.equal(proxier.isHealthy, true);
  await finish();
});

test("proxier writes everything again when somebody flushed the tables", async () => {
  const { clock, kernel, finish } = await start();
  kernel.isFlushed = true;
  await clock.advance(31_000);
  assert.deepEqual(kernel.syncs.slice(1), [{ atMs: 31_000, full: true }]);
  await finish();
});
