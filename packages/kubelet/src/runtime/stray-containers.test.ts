import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { sampleRuntime, sampleSandbox, sampleState } from "../testing/sample-pods.ts";
import { StrayContainers } from "./stray-containers.ts";

/** A pod with those cgroups, of which the runtime says what `shown` returns. */
function strays(ids: readonly string[], shown: () => ReturnType<typeof sampleRuntime>, isBusy = () => false) {
  const ended: string[] = [];
  const looker = new StrayContainers({
    cgroups: {
      containers: async () => ids.filter((id) => !ended.includes(id)).map((id) => ({ uid: "u", id, path: id })),
      removeContainer: async (path) => void ended.push(path),
    },
    pleg: { get: shown, refresh: async () => shown() },
    workers: { has: () => true, isBusy },
    log: silentLogger(),
  });
  const looks = async (count: number) => {
    const before = ended.length;
    for (let look = 0; look < count; look++) await looker.look();
    return ended.slice(before).toSorted();
  };
  return { looks };
}

test("StrayContainers ends what the runtime shows as dead for two looks, and what it does not show after six", async () => {
  const dead = sampleState("c", { id: "dead", state: "exited" });
  const alive = ["running", "created", "unknown"] as const;
  const containers = [dead, ...alive.map((state) => sampleState(state, { id: state, state }))];
  const sandboxes = [sampleSandbox({ id: "ready" }), sampleSandbox({ id: "down", ready: false })];
  const shown = () => sampleRuntime(containers, sandboxes);
  const { looks } = strays([...alive, "ready", "dead", "down", "forgotten"], shown);
  assert.deepEqual(await looks(1), []);
  assert.deepEqual(await looks(1), ["dead", "down"]);
  assert.deepEqual(await looks(3), []);
  assert.deepEqual(await looks(1), ["forgotten"]);
});

test("StrayContainers leaves alone what a busy worker may be making", async () => {
  let busy = false;
  const { looks } = strays(
    ["new"],
    () => sampleRuntime([], []),
    () => busy,
  );
  assert.deepEqual(await looks(5), []);
  busy = true;
  assert.deepEqual(await looks(3), []);
  busy = false;
  assert.deepEqual(await looks(5), [], "looks before the worker was busy count");
  assert.deepEqual(await looks(1), ["new"]);
});

test("StrayContainers asks the runtime once more before it ends anything", async () => {
  let state: "exited" | "running" = "exited";
  let asked = 0;
  const shown = () => {
    asked++;
    const answer = sampleRuntime([sampleState("c", { id: "c", state })]);
    if (asked === 2) state = "running";
    return answer;
  };
  assert.deepEqual(await strays(["c"], shown).looks(2), []);
});
