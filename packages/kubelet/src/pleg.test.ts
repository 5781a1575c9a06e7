import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import type { ContainerStateName } from "./cri/types.ts";
import { Pleg } from "./pleg.ts";
import type { PodSummary } from "./runtime/runtime-reader.ts";
import { sampleRuntime, sampleState } from "./testing/sample-pods.ts";

function summary(uid: string, state: ContainerStateName): PodSummary {
  const container = { id: "c-0", state, podSandboxId: "", metadata: null, image: null, imageRef: "", createdAt: "0" };
  const containers = [{ ...container, labels: {}, annotations: {} }];
  return { uid, namespace: "default", name: "web", sandboxes: [], containers, fingerprint: state };
}

/** A generator over a runtime that the test sets; `exit` sends an event. */
async function setUp() {
  const clock = new FakeClock();
  const runtime = {
    pods: new Map<string, PodSummary>(),
    lists: 0,
    reads: 0,
    described: 0,
    broken: false,
    slow: Promise.resolve(),
  };
  let exit: (id: string) => void = () => {};
  const pod = sampleRuntime([sampleState("c")]);
  const pleg = new Pleg({
    clock,
    log: silentLogger(),
    reader: {
      list: async () => {
        runtime.lists++;
        await runtime.slow;
        if (runtime.broken) throw new Error("runtime is away");
        return new Map(runtime.pods);
      },
      describe: async ({ uid }) => {
        runtime.described++;
        return { ...pod, uid };
      },
      read: async (uid) => {
        runtime.reads++;
        return { pod: { ...pod, uid }, fingerprint: runtime.pods.get(uid)?.fingerprint ?? "" };
      },
    },
    async *exits(signal) {
      while (!signal.aborted) yield await new Promise<string>((resolve) => (exit = resolve));
    },
  });
  const changed: string[] = [];
  pleg.onChange = (uid) => changed.push(uid);
  const stop = new AbortController();
  const running = pleg.run(stop.signal);
  await clock.advance(10);
  const end = async () => {
    stop.abort();
    exit("");
    await clock.advance(10_000);
    await running;
  };
  return { clock, runtime, pleg, changed, end, exit: (id: string) => exit(id) };
}

test("Pleg tells of a pod when it appears, changes or goes, and not in between", async () => {
  const { clock, runtime, pleg, changed, end } = await setUp();
  runtime.pods.set("a", summary("a", "CONTAINER_RUNNING"));
  await clock.advance(1100);
  assert.deepEqual(changed, ["a"]);
  await clock.advance(3000);
  assert.deepEqual(changed, ["a"]);
  runtime.pods.set("a", summary("a", "CONTAINER_EXITED"));
  await clock.advance(1100);
  assert.deepEqual(changed, ["a", "a"]);
  runtime.pods.delete("a");
  await clock.advance(1100);
  assert.deepEqual(changed, ["a", "a", "a"]);
  assert.deepEqual(pleg.pods(), []);
  await end();
});

test("Pleg does not tell a worker again of what it has read itself", async () => {
  const { clock, runtime, pleg, changed, end } = await setUp();
  await clock.advance(10);
  runtime.pods.set("a", summary("a", "CONTAINER_RUNNING"));
  await pleg.refresh("a");
  await clock.advance(2100);
  assert.deepEqual(changed, []);
  await end();
});

test("Pleg looks at a pod at once after an exit, and closely until the runtime shows it", async () => {
  const { clock, runtime, changed, end, exit } = await setUp();
  runtime.pods.set("a", summary("a", "CONTAINER_RUNNING"));
  await clock.advance(1100);
  exit("c-0");
  await clock.advance(0);
  await clock.advance(60);
  assert.ok(runtime.reads > 1, "the runtime still showed it running");
  runtime.pods.set("a", summary("a", "CONTAINER_EXITED"));
  await clock.advance(60);
  assert.deepEqual(changed, ["a", "a"]);
  await end();
});

test("Pleg leaves an exit to a worker that is at work, and lists for one of a pod that it does not know", async () => {
  const { clock, runtime, pleg, end, exit } = await setUp();
  runtime.pods.set("a", summary("a", "CONTAINER_RUNNING"));
  await clock.advance(1100);
  pleg.isBusy = () => true;
  exit("c-0");
  await clock.advance(0);
  await clock.advance(60);
  assert.equal(runtime.reads, 0);
  pleg.isBusy = () => false;
  await clock.advance(60);
  assert.ok(runtime.reads > 0);
  const before = runtime.lists;
  exit("stranger");
  await clock.advance(0);
  await clock.advance(60);
  assert.ok(runtime.lists > before);
  await end();
});

test("Pleg lists again soon when a list was overtaken by a worker's look at an older state", async () => {
  const { clock, runtime, pleg, changed, end } = await setUp();
  runtime.pods.set("a", summary("a", "CONTAINER_RUNNING"));
  await clock.advance(1100);
  const slow = Promise.withResolvers<void>();
  runtime.slow = slow.promise;
  await clock.advance(1100);
  await pleg.refresh("a");
  runtime.pods.set("a", summary("a", "CONTAINER_EXITED"));
  slow.resolve();
  await clock.advance(0);
  await clock.advance(60);
  assert.deepEqual(changed, ["a", "a"]);
  await end();
});

test("Pleg outlives a runtime that is away and says when that takes too long", async () => {
  const { clock, runtime, pleg, changed, end } = await setUp();
  await clock.advance(10);
  runtime.broken = true;
  await clock.advance(4 * 60_000);
  assert.match(pleg.healthProblem() ?? "", /PLEG is not healthy: pleg was last seen active 2\d\ds ago/);
  runtime.broken = false;
  runtime.pods.set("a", summary("a", "CONTAINER_RUNNING"));
  await clock.advance(2000);
  assert.equal(pleg.healthProblem(), undefined);
  assert.deepEqual(changed, ["a"]);
  await end();
});
