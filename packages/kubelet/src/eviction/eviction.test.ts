// Thresholds, pressure over time, who goes first, and what is said of it.
import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import type { Eviction, EvictionDeps } from "./eviction-manager.ts";
import { EvictionManager } from "./eviction-manager.ts";
import type { Measured } from "./measure-pods.ts";
import { folderSize } from "./measure-pods.ts";
import { judgePressure, NO_PRESSURE } from "./pressure.ts";
import { evictionAnnotations, evictionMessage, localStorageProblem, rankPods } from "./rank-pods.ts";
import type { Observation } from "./signals.ts";
import type { Signal, ThresholdSettings } from "./thresholds.ts";
import { parseThresholds } from "./thresholds.ts";

const NONE = { evictionHard: {}, evictionSoft: {}, evictionSoftGracePeriod: {}, evictionMinimumReclaim: {} };
const parse = (settings: Partial<ThresholdSettings>) => parseThresholds({ ...NONE, ...settings });
const reading = (signal: Signal, available: number, capacity = 1000) =>
  new Map<Signal, Observation>([[signal, { available, capacity }]]);

function podOf(name: string, more: { request?: string; priority?: number; limit?: string } = {}): Pod {
  const { request, priority, limit } = more;
  const resources = {
    ...(request ? { requests: { memory: request } } : {}),
    ...(limit ? { limits: { "ephemeral-storage": limit } } : {}),
  };
  const spec = { containers: [sampleContainer("c", { resources })], ...(priority === undefined ? {} : { priority }) };
  return samplePod(spec, { name, uid: name });
}

function figures(pod: Pod, memoryBytes: number, diskBytes = 0): Measured {
  const containers = [{ name: "c", memoryBytes, diskBytes, inodes: 0 }];
  return { pod, memoryBytes, diskBytes, inodes: 0, processes: 0, containers, emptyDirs: new Map() };
}

test("parseThresholds reads quantities, percentages, grace and minimum reclaim", () => {
  const [hard, soft] = parse({
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "0%" },
    evictionSoft: { "nodefs.available": "15%" },
    evictionSoftGracePeriod: { "nodefs.available": "1m30s" },
    evictionMinimumReclaim: { "memory.available": "5%" },
  });
  assert.deepEqual(hard?.value, { amount: 100 * 2 ** 20, text: "100Mi" });
  assert.deepEqual(hard?.minReclaim, { share: 0.05 });
  assert.deepEqual([soft?.value, soft?.graceMs, soft?.isSoft], [{ share: 0.15 }, 90_000, true]);
  assert.throws(() => parse({ evictionHard: { "nodefs.available": "101%" } }), /thresholds must be <= 100%: 101%/);
});

test("judgePressure waits for the grace of soft thresholds and keeps a condition for the transition period", () => {
  const thresholds = parse({
    evictionSoft: { "memory.available": "100" },
    evictionSoftGracePeriod: { "memory.available": "30s" },
  });
  const low = reading("memory.available", 50);
  const first = judgePressure(thresholds, low, NO_PRESSURE, 0, 300_000);
  assert.deepEqual([first.due.length, first.conditions], [0, ["MemoryPressure"]]);
  const second = judgePressure(thresholds, low, first.memory, 30_000, 300_000);
  assert.equal(second.due.length, 1);
  const over = judgePressure(thresholds, reading("memory.available", 500), second.memory, 40_000, 300_000);
  assert.deepEqual([over.due.length, over.conditions], [0, ["MemoryPressure"]]);
  const calm = judgePressure(thresholds, reading("memory.available", 500), over.memory, 330_000, 300_000);
  assert.deepEqual(calm.conditions, []);
});

test("judgePressure goes on until the minimum is reclaimed too, and puts memory first", () => {
  const thresholds = parse({
    evictionHard: { "pid.available": "10", "memory.available": "100" },
    evictionMinimumReclaim: { "memory.available": "50" },
  });
  const both = new Map([...reading("pid.available", 1), ...reading("memory.available", 50)]);
  const first = judgePressure(thresholds, both, NO_PRESSURE, 0, 0);
  assert.deepEqual(
    first.due.map(({ signal }) => signal),
    ["memory.available", "pid.available"],
  );
  const second = judgePressure(thresholds, reading("memory.available", 120), first.memory, 1, 0);
  assert.equal(second.due.length, 1);
  assert.equal(judgePressure(thresholds, reading("memory.available", 150), second.memory, 2, 0).due.length, 0);
});

test("rankPods takes who exceeds requests first, then low priority, then the largest excess", () => {
  const within = figures(podOf("within", { request: "100" }), 90);
  const important = figures(podOf("important", { priority: 10 }), 500);
  const small = figures(podOf("small"), 10);
  const large = figures(podOf("large"), 400);
  const names = rankPods([within, important, small, large], "memory").map(({ pod }) => pod.metadata.name);
  assert.deepEqual(names, ["large", "small", "important", "within"]);
});

test("evictionMessage says what was short, how far, and which container took more than it asked for", () => {
  const shortage = { resource: "memory", threshold: { quantity: "100Mi", available: "51200Ki" } } as const;
  assert.equal(
    evictionMessage(figures(podOf("p", { request: "1Ki" }), 4096), shortage),
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51200Ki. " +
      "Container c was using 4Ki, request is 1Ki, has larger consumption of memory. ",
  );
});

test("evictionAnnotations names what was short and who took too much, for programs", () => {
  const greedy = figures(podOf("p", { request: "1Ki" }), 4096);
  assert.deepEqual(evictionAnnotations(greedy, "memory"), {
    offending_containers: "c",
    offending_containers_usage: "4Ki",
    starved_resource: "memory",
  });
  assert.deepEqual(evictionAnnotations(greedy, "pids"), {
    offending_containers: "",
    offending_containers_usage: "",
    starved_resource: "pids",
  });
});

test("localStorageProblem holds emptyDirs, pods and containers to their limits", () => {
  const volume = samplePod({ volumes: [{ name: "data", emptyDir: { sizeLimit: "1Mi" } }] });
  const used = new Map([["data", 2 ** 21]]);
  assert.equal(
    localStorageProblem(figures(volume, 0), used),
    'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
  );
  const limited = figures(podOf("p", { limit: "1Mi" }), 0, 2 ** 21);
  assert.equal(
    localStorageProblem(limited, new Map()),
    "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
  );
  assert.equal(localStorageProblem(figures(podOf("p", { limit: "4Mi" }), 0, 2 ** 21), new Map()), undefined);
});

test("folderSize counts blocks and inodes, and hard links once", async () => {
  const dir = await mkdtemp(join(tmpdir(), "skiff-size-"));
  await mkdir(join(dir, "sub"));
  await writeFile(join(dir, "sub/a"), Buffer.alloc(64 * 1024, 1));
  await link(join(dir, "sub/a"), join(dir, "b"));
  const { bytes, inodes } = await folderSize(dir);
  await rm(dir, { recursive: true });
  assert.equal(inodes, 3);
  assert.ok(bytes >= 64 * 1024 && bytes < 128 * 1024, String(bytes));
});

interface Bench {
  readonly done: string[];
  available: number;
  freed: number;
  pods: Measured[];
  readonly manager: EvictionManager;
}

function bench(signal: Signal, settings: Partial<ThresholdSettings>, more: Partial<EvictionDeps> = {}): Bench {
  const done: string[] = [];
  const state = { done, available: 50, freed: 0, pods: [] as Measured[] };
  const manager = new EvictionManager(
    { thresholds: parse(settings), transitionMs: 0, maxPodGraceSeconds: 30, isolatesStorage: true },
    {
      observe: async () => ({ signals: reading(signal, state.available), hasDedicatedImageFs: false }),
      activePods: () => state.pods.map(({ pod }) => pod),
      measure: async (pods) => state.pods.filter(({ pod }) => pods.includes(pod)),
      evict: async (pod, { graceSeconds, annotations }: Eviction) => {
        const starved = annotations ? ` for ${annotations.starved_resource}` : "";
        done.push(`evict ${pod.metadata.name} ${graceSeconds}${starved}`);
      },
      removeDeadContainers: async () => {
        done.push("containers");
        return 0;
      },
      removeUnusedImages: async () => {
        done.push("images");
        state.available += state.freed;
      },
      onConditions: () => done.push(`conditions ${manager.pressures.join()}`),
      events: { warn: (_reason, message) => done.push(message) },
      metrics: new MetricsRegistry(),
      clock: realClock,
      log: silentLogger(),
      ...more,
    },
  );
  return Object.assign(state, { manager });
}

test("eviction manager frees the node's disk before it evicts, and spares critical pods", async () => {
  const b = bench("nodefs.available", { evictionHard: { "nodefs.available": "10%" } });
  b.pods = [figures(podOf("critical", { priority: 2_000_000_000 }), 0, 900), figures(podOf("plain"), 0, 10)];
  b.freed = 500;
  assert.equal(await b.manager.synchronize(), undefined);
  assert.deepEqual(b.done.splice(0), [
    "conditions DiskPressure",
    "Attempting to reclaim ephemeral-storage",
    "containers",
    "images",
  ]);
  b.available = 50;
  b.freed = 0;
  assert.equal((await b.manager.synchronize())?.metadata.name, "plain");
  assert.equal(b.done.at(-1), "evict plain 1 for ephemeral-storage");
});

test("eviction manager gives soft evictions their grace, and judges pods' own limits without any pressure", async () => {
  const settings = {
    evictionSoft: { "memory.available": "100" },
    evictionSoftGracePeriod: { "memory.available": "0s" },
  };
  const soft = bench("memory.available", settings);
  soft.pods = [figures(podOf("p"), 10)];
  await soft.manager.synchronize();
  assert.deepEqual(soft.done, ["conditions MemoryPressure", "Attempting to reclaim memory", "evict p 30 for memory"]);
  const limits = bench("memory.available", {});
  limits.pods = [figures(podOf("greedy", { limit: "1Ki" }), 0, 2048)];
  await limits.manager.synchronize();
  assert.deepEqual(limits.done, ["evict greedy 1"]);
});

test("eviction manager waits for a pod that uses its grace up before it looks again", async () => {
  const settings = {
    evictionSoft: { "nodefs.available": "100" },
    evictionSoftGracePeriod: { "nodefs.available": "0s" },
  };
  const clock = new FakeClock();
  const b = bench("nodefs.available", settings, { clock, evict: () => new Promise(() => {}) });
  b.pods = [figures(podOf("stubborn"), 0, 10)];
  let over = false;
  const look = b.manager.synchronize().then(() => {
    over = true;
  });
  await waitFor("the wait", () => clock.waiting > 0);
  await clock.advance(74_000);
  assert.equal(over, false);
  await clock.advance(2000);
  await look;
});

test("eviction manager waits for the disk of dead containers, which the runtime gives back later", async () => {
  const clock = new FakeClock();
  const more = { clock, removeDeadContainers: async () => 1 };
  const b = bench("nodefs.available", { evictionHard: { "nodefs.available": "10%" } }, more);
  b.pods = [figures(podOf("innocent"), 0, 10)];
  const look = b.manager.synchronize();
  await waitFor("a second look", () => clock.waiting > 0);
  b.available = 500;
  await clock.advance(1000);
  assert.equal(await look, undefined);
  b.available = 50;
  const fruitless = b.manager.synchronize();
  await waitFor("a second look", () => clock.waiting > 0);
  await clock.advance(11_000);
  assert.equal((await fruitless)?.metadata.name, "innocent");
});
