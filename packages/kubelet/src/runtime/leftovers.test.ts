import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { PodPaths } from "../pod-paths.ts";
import { sampleRuntime, sampleSandbox, sampleState } from "../testing/sample-pods.ts";
import { GarbageCollector, surplusContainers, surplusOfNode } from "./garbage-collector.ts";
import { gateOptions, StartGate } from "./start-gate.ts";
import { lastLogLines, terminationMessage } from "./termination-message.ts";

test("surplusContainers keeps the newest and one dead before it, and whatever runs", () => {
  const dead = (id: string) => sampleState("c", { id, state: "exited" });
  const containers = [sampleState("c", { id: "now" }), dead("last"), dead("older"), dead("oldest")];
  assert.deepEqual(
    surplusContainers([...containers, sampleState("d")], 1).map(({ id }) => id),
    ["older", "oldest"],
  );
});

test("surplusContainers takes what was made and never started, unless it is the newest", () => {
  const made = (id: string) => sampleState("c", { id, state: "created" });
  const containers = [made("next"), made("given-up"), sampleState("c", { id: "last", state: "exited" }), made("first")];
  assert.deepEqual(
    surplusContainers(containers, 1).map(({ id }) => id),
    ["given-up", "first"],
  );
});

test("lastLogLines joins the parts of lines and keeps the end", () => {
  const log = "2026-01-01T00:00:00Z stdout P par\n2026-01-01T00:00:00Z stdout F t\n2026-01-01T00:00:00Z stderr F end\n";
  assert.equal(lastLogLines(log), "part\nend\n");
  const many = Array.from({ length: 100 }, (_, line) => `t stdout F ${line}`).join("\n");
  assert.equal(lastLogLines(many).split("\n")[0], "20");
});

test("terminationMessage takes the end of a file, or of a log whatever the length of its lines", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "skiff-words-"));
  t.after(() => rm(dir, { recursive: true }));
  const [file, logPath] = [join(dir, "words"), join(dir, "0.log")];
  await writeFile(file, `${"a".repeat(5000)}end`);
  await writeFile(logPath, `t stdout P ${"x".repeat(16_384)}\nt stdout F ${"y".repeat(16_000)}\n`);
  const ended = sampleState("c", { state: "exited", exitCode: 1, logPath });
  const words = await terminationMessage({ ...ended, terminationMessageFile: file });
  assert.deepEqual([words.length, words.slice(-4)], [4096, "aend"]);
  const fallback = { ...ended, terminationMessagePolicy: "FallbackToLogsOnError" };
  assert.equal(await terminationMessage(fallback), `${"y".repeat(2047)}\n`);
  assert.equal(await terminationMessage({ ...fallback, exitCode: 0 }), "");
});

test("surplusOfNode takes the oldest of all pods, but never a container's newest", () => {
  const dead = (id: string, finishedAt: number) => sampleState("c", { id, state: "exited", finishedAt });
  const pods = [
    sampleRuntime([dead("a2", 50), dead("a1", 10)]),
    sampleRuntime([dead("b3", 60), dead("b2", 40), dead("b1", 5)]),
  ];
  assert.deepEqual(
    surplusOfNode(pods, 3).map(({ id }) => id),
    ["b1", "a1"],
  );
  assert.equal(surplusOfNode(pods, 0).length, 3);
  assert.deepEqual(surplusOfNode(pods, -1), []);
});

test("clear removes all that is dead of a pod that has ended, the newest too, which trim keeps", async () => {
  const removed: string[] = [];
  const remove = async (id: string) => void removed.push(id);
  const cri = { removeContainer: remove, removePodSandbox: remove, stopPodSandbox: async () => {} };
  const gate = new StartGate(gateOptions(1), { clock: realClock });
  const limits = { perContainer: 1, total: -1, minAgeMs: 0 };
  const collector = new GarbageCollector(limits, {
    cri,
    paths: new PodPaths("/none", "/none"),
    gate,
    clock: realClock,
  });
  const containers = [
    sampleState("c", { id: "last", state: "exited" }),
    sampleState("c", { id: "old", state: "exited" }),
  ];
  const pod = sampleRuntime(containers, [sampleSandbox({ id: "sandbox", ready: false })]);
  await collector.trim(pod, 0);
  assert.deepEqual(removed, ["old"]);
  await collector.clear(pod);
  assert.deepEqual(removed, ["old", "last", "old", "sandbox"]);
});
