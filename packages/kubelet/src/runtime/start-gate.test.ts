import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import type { GateLane } from "./start-gate.ts";
import { StartGate } from "./start-gate.ts";

const PATIENCE_MS = 1000;
const WORK_MS = 5000;
const YIELD_MS = 300;

function setUp() {
  const clock = new FakeClock();
  const gate = new StartGate(
    { starts: 2, removals: 3, patienceMs: PATIENCE_MS, workMs: WORK_MS, yieldMs: YIELD_MS },
    { clock },
  );
  const begun: string[] = [];
  const release = new Map<string, () => void>();
  const begin = (lane: GateLane, name: string, signal?: AbortSignal) => {
    const work = () => {
      begun.push(name);
      return new Promise<void>((resolve) => release.set(name, resolve));
    };
    return gate.run(lane, work, signal);
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, gate, begun, release, begin, settle };
}

test("StartGate runs few starts at once in their order, and survives failures", async () => {
  const { gate, begun, release, begin, settle } = setUp();
  const failing = gate.run("start", () => Promise.reject(new Error("no")));
  for (const name of ["a", "b", "c"]) begin("start", name);
  await assert.rejects(failing, /no/);
  await settle();
  assert.deepEqual(begun, ["a", "b"]);
  release.get("a")?.();
  await settle();
  assert.deepEqual(begun, ["a", "b", "c"]);
});

test("StartGate lets removals wait for starts, but not for ever", async () => {
  const { clock, begun, release, begin, settle } = setUp();
  begin("start", "s");
  for (const name of ["x", "y", "z"]) begin("removal", name);
  await settle();
  assert.deepEqual(begun, ["s"]);
  await clock.advance(YIELD_MS);
  await settle();
  assert.deepEqual(begun, ["s", "x"]);
  release.get("s")?.();
  await settle();
  assert.deepEqual(begun, ["s", "x", "y", "z"]);
});

test("StartGate gives the place of one that waits for something else to the next", async () => {
  const { clock, begun, begin, settle } = setUp();
  for (const name of ["a", "b", "c"]) begin("start", name);
  clock.advance(PATIENCE_MS);
  await settle();
  assert.deepEqual(begun, ["a", "b", "c"]);
});

test("StartGate forgets who gave up waiting", async () => {
  const { begun, release, begin, settle } = setUp();
  const stop = new AbortController();
  for (const name of ["a", "b"]) begin("start", name);
  const third = begin("start", "c", stop.signal);
  begin("start", "d");
  stop.abort(new Error("deleted"));
  await assert.rejects(third, /deleted/);
  release.get("a")?.();
  await settle();
  assert.deepEqual(begun, ["a", "b", "d"]);
});

test("StartGate keeps the place of one that the runtime works on, but not while the runtime hangs", async () => {
  const { clock, gate, begun, begin, settle } = setUp();
  const calls = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  for (const { promise } of calls)
    gate.run("start", (place) => place.work(() => promise).then(() => new Promise(() => {})));
  begin("start", "a");
  begin("start", "b");
  await clock.advance(WORK_MS - 1);
  assert.deepEqual(begun, [], "a slow node lets more in, and all of them are half made");
  calls[0]?.resolve();
  await settle();
  await clock.advance(1);
  assert.deepEqual(begun, ["a"], "the second call hangs");
  await clock.advance(PATIENCE_MS);
  assert.deepEqual(begun, ["a", "b"], "the first waits for something since its call returned");
});
