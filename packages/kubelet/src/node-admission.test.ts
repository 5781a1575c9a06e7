// Pods that come to a node at the same moment.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { NodeAdmission } from "./node-admission.ts";
import { sampleContainer, samplePod } from "./testing/sample-pods.ts";

const CRITICAL = { priority: 2_000_000_000, priorityClassName: "system-node-critical" };

/** A node of one processor; what `resources` says of devices is not asked for here. */
function nodeWith(admitted: Map<string, Readonly<Pod>>, evict: (uid: string) => Promise<void>) {
  const clock = new FakeClock();
  const admission = new NodeAdmission({
    node: { current: undefined, lookAgainFor: async () => {} },
    resources: { counts: () => false, allocate: async () => ({ admitted: true }) },
    preemptions: { inc: () => {} },
    hasAppArmor: false,
    allowedSysctls: [],
    clock,
    log: silentLogger(),
    workers: () => ({
      admitted: (uid) => [...admitted.values()].filter(({ metadata }) => metadata.uid !== uid),
      evict,
    }),
    allocatable: () => ({ cpu: "1", memory: "1Gi", pods: "110" }),
    pressures: () => [],
    isShuttingDown: () => false,
  });
  return { admission, clock };
}

function pod(uid: string, cpu: string, spec: object = {}): Readonly<Pod> {
  const containers = [sampleContainer("c", { resources: { requests: { cpu } } })];
  return samplePod({ ...spec, containers }, { name: uid, uid });
}

test("NodeAdmission lets in one of two critical pods that come together and need the same room", async () => {
  const admitted = new Map([["victim", pod("victim", "1")]]);
  const evicted: string[] = [];
  const { admission } = nodeWith(admitted, async (uid) => {
    evicted.push(uid);
    admitted.delete(uid);
    // As containers that take a while to stop: others have their chance in between.
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  });
  const take = (critical: Readonly<Pod>) =>
    admission.inTurn(async () => {
      const answer = await admission.admit(critical, true);
      if (answer.admitted) admitted.set(critical.metadata.uid ?? "", critical);
      return answer;
    });
  const [first, second] = await Promise.all([take(pod("a", "700m", CRITICAL)), take(pod("b", "700m", CRITICAL))]);
  assert.deepEqual(evicted, ["victim"]);
  assert.deepEqual([first.admitted, second.admitted], [true, false]);
  assert.equal(!second.admitted && second.reason, "OutOfcpu");
});

test("NodeAdmission goes on after a turn that failed", async () => {
  const { admission } = nodeWith(new Map(), async () => {});
  const failing = admission.inTurn(() => Promise.reject(new Error("no devices")));
  const next = admission.inTurn(async () => "next");
  await assert.rejects(failing, /no devices/);
  assert.equal(await next, "next");
});

test("NodeAdmission waits for a victim that does not stop no longer than upstream does", async () => {
  const admitted = new Map([["victim", pod("victim", "1")]]);
  const evicting = Promise.withResolvers<void>();
  const { admission, clock } = nodeWith(admitted, () => {
    evicting.resolve();
    return new Promise(() => {});
  });
  const answer = admission.admit(pod("a", "1", CRITICAL), true);
  await evicting.promise;
  await clock.advance(10_000);
  assert.equal((await answer).admitted, false);
});
