// Who ends when at a shutdown, and what holds the machine until then.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { samplePod } from "../testing/sample-pods.ts";
import { readNews } from "./logind.ts";
import { planShutdown, shutdownClasses, totalSeconds } from "./plan-shutdown.ts";
import type { Inhibitor } from "./shutdown-manager.ts";
import { ShutdownManager } from "./shutdown-manager.ts";

function pod(name: string, priority: number | undefined, graceSeconds?: number): Pod {
  const grace = graceSeconds === undefined ? {} : { terminationGracePeriodSeconds: graceSeconds };
  return samplePod({ ...(priority === undefined ? {} : { priority }), ...grace }, { name, uid: name });
}

const OFF = { shutdownGracePeriod: 0, shutdownGracePeriodCriticalPods: 0, shutdownGracePeriodByPodPriority: [] };
const SIMPLE = { ...OFF, shutdownGracePeriod: 30_000, shutdownGracePeriodCriticalPods: 10_000 };

test("shutdownClasses: off unless asked for, the plain pair as two classes, or what is given by priority in its order", () => {
  assert.deepEqual(shutdownClasses(OFF), []);
  assert.deepEqual(shutdownClasses(SIMPLE), [
    { priority: 0, shutdownGracePeriodSeconds: 20 },
    { priority: 2_000_000_000, shutdownGracePeriodSeconds: 10 },
  ]);
  assert.equal(totalSeconds(shutdownClasses(SIMPLE)), 30);
  const given = [
    { priority: 100, shutdownGracePeriodSeconds: 5 },
    { priority: -10, shutdownGracePeriodSeconds: 7 },
  ];
  const classes = shutdownClasses({ ...OFF, shutdownGracePeriodByPodPriority: given });
  assert.deepEqual(classes, [given[1], given[0]]);
});

test("planShutdown ends the lowest first, each pod with its own grace but no more than its class has", () => {
  const classes = shutdownClasses(SIMPLE);
  const pods = [pod("critical", 2_000_001_000, 60), pod("short", 0, 3), pod("long", 1000), pod("below", -5, 25)];
  const plan = planShutdown(classes, pods).map(({ seconds, pods: members }) => [
    seconds,
    ...members.map((member) => `${member.pod.metadata.name}:${member.graceSeconds}`),
  ]);
  assert.deepEqual(plan, [
    [20, "short:3", "long:20", "below:20"],
    [10, "critical:10"],
  ]);
  assert.deepEqual(planShutdown(classes, []), []);
  assert.equal(planShutdown(classes, [pod("critical", 2_000_000_000)]).length, 1);
});

test("readNews knows the begin and the calling off of a shutdown from everything else that a monitor prints", () => {
  const line = (member: string, data: unknown) =>
    JSON.stringify({
      type: "signal",
      interface: "org.freedesktop.login1.Manager",
      member,
      payload: { type: "b", data },
    });
  assert.equal(readNews(line("PrepareForShutdown", [true])), true);
  assert.equal(readNews(line("PrepareForShutdown", [false])), false);
  assert.equal(readNews(line("PrepareForSleep", [true])), undefined);
  assert.equal(readNews("Monitoring bus message stream."), undefined);
});

/** A machine whose shutdown the test announces. */
function machine() {
  const log: string[] = [];
  let announce: (begins: boolean) => void = () => {};
  let loseLock: () => void = () => {};
  const inhibitor: Inhibitor = {
    allowDelay: async (ms) => void log.push(`allow ${ms}`),
    async hold() {
      log.push("hold");
      const lost = Promise.withResolvers<void>();
      loseLock = lost.resolve;
      const release = async () => {
        log.push("release");
        lost.resolve();
      };
      return { lost: lost.promise, release };
    },
    async *news(signal) {
      while (!signal.aborted) {
        const next = Promise.withResolvers<boolean>();
        const stop = () => next.reject(signal.reason);
        announce = next.resolve;
        signal.addEventListener("abort", stop, { once: true });
        try {
          yield await next.promise;
        } catch {
          return;
        } finally {
          signal.removeEventListener("abort", stop);
        }
      }
    },
  };
  return { log, inhibitor, announce: (begins: boolean) => announce(begins), loseLock: () => loseLock() };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

function managerOf(node: ReturnType<typeof machine>, pods: readonly Pod[], ends: Map<string, () => void>) {
  const clock = new FakeClock();
  const manager = new ShutdownManager(shutdownClasses(SIMPLE), {
    inhibitor: node.inhibitor,
    clock,
    log: silentLogger(),
    activePods: () => pods,
    end(ended, verdict, graceSeconds) {
      node.log.push(`end ${ended.metadata.name} ${verdict.reason} ${graceSeconds}`);
      return new Promise((resolve) => ends.set(ended.metadata.name, resolve));
    },
    onChange: () => node.log.push("change"),
    tell: () => {},
  });
  return { manager, clock };
}

test("ShutdownManager ends class after class, the next when the last has ended or its time is up, then lets the machine go", async () => {
  const node = machine();
  const ends = new Map<string, () => void>();
  const { manager, clock } = managerOf(node, [pod("web", 0), pod("stuck", 0), pod("dns", 2_000_000_000)], ends);
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  await settle();
  assert.deepEqual(node.log.splice(0), ["allow 30000", "hold"]);
  node.announce(true);
  await settle();
  assert.equal(manager.isShuttingDown, true);
  assert.deepEqual(node.log.splice(0), ["change", "end web Terminated 20", "end stuck Terminated 20"]);
  ends.get("web")?.();
  await clock.advance(19_999);
  await settle();
  assert.deepEqual(node.log.splice(0), []);
  await clock.advance(1);
  await settle();
  assert.deepEqual(node.log.splice(0), ["end dns Terminated 10"]);
  ends.get("dns")?.();
  await settle();
  assert.deepEqual(node.log.splice(0), ["release"]);
  node.announce(false);
  await settle();
  assert.equal(manager.isShuttingDown, false);
  assert.deepEqual(node.log.splice(0), ["change", "hold"]);
  stop.abort();
  await running;
  assert.deepEqual(node.log, ["release"]);
});

test("ShutdownManager takes a lock again that was lost, and goes on trying while there is no logind", async () => {
  const node = machine();
  let isThere = false;
  const allowDelay = node.inhibitor.allowDelay;
  node.inhibitor.allowDelay = async (ms, signal) => {
    node.log.push("try");
    if (!isThere) throw new Error("busctl: connect: no such file");
    await allowDelay(ms, signal);
  };
  const { manager, clock } = managerOf(node, [], new Map());
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  await settle();
  assert.deepEqual(node.log.splice(0), ["try"]);
  isThere = true;
  await clock.advance(1000);
  await settle();
  assert.deepEqual(node.log.splice(0), ["try", "allow 30000", "hold"]);
  node.loseLock();
  await settle();
  await clock.advance(2000);
  await settle();
  assert.deepEqual(node.log.splice(0), ["release", "try", "allow 30000", "hold"]);
  stop.abort();
  await running;
});
