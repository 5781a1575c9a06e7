// Rotation, compression and links of container logs, on real files.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import { linkLog, logLinkPath, removeDeadLinks, removeLogs, rotatedLogs } from "./log-paths.ts";
import { LogRotator, planRotated } from "./log-rotator.ts";

const dir = await mkdtemp(join(tmpdir(), "skiff-logs-"));
after(() => rm(dir, { recursive: true }));

function rotator(logPath: string, reopen: () => Promise<void>, now = 0) {
  return new LogRotator(
    { maxSize: 10, maxFiles: 4, intervalMs: 1, workers: 1 },
    {
      cri: { reopenContainerLog: reopen },
      clock: { ...realClock, now: () => now },
      log: silentLogger(),
      pods: () => [
        sampleRuntime([sampleState("c", { logPath }), sampleState("d", { state: "exited", logPath: "/x" })]),
      ],
    },
  );
}

test("log rotator renames, reopens, compresses all but the newest part and keeps so many files", async () => {
  const path = join(dir, "0.log");
  for (let round = 0; round < 5; round++) {
    await writeFile(path, `round ${round} has grown`);
    await rotator(path, () => writeFile(path, ""), Date.UTC(2026, 0, 2, 3, 4, round)).rotateAll();
  }
  const names = (await readdir(dir)).sort();
  assert.deepEqual(names, ["0.log", "0.log.20260102-030402.gz", "0.log.20260102-030403.gz", "0.log.20260102-030404"]);
  assert.equal(gunzipSync(await readFile(join(dir, names[1] ?? ""))).toString(), "round 2 has grown");
  await rotator(path, () => assert.fail("a small log was rotated")).rotateAll();
  await removeLogs(path);
  assert.deepEqual(await readdir(dir), []);
});

test("log rotator gives the log its name back when the runtime does not reopen it", async () => {
  const path = join(dir, "1.log");
  await writeFile(path, "more than ten bytes");
  await rotator(path, () => Promise.reject(new Error("away"))).rotateAll();
  assert.equal(await readFile(path, "utf8"), "more than ten bytes");
  assert.deepEqual(await rotatedLogs(path), []);
});

test("planRotated clears what a crash left", () => {
  const plan = planRotated(["l.1.gz", "l.2", "l.2.gz", "l.3.tmp", "l.4"], 5);
  assert.deepEqual(plan, { keep: ["l.1.gz", "l.2.gz", "l.4"], remove: ["l.3.tmp", "l.2"] });
});

test("links to logs have upstream's names, and dead ones go unless they are somebody else's", async () => {
  const container = { id: "abc", name: "c", logPath: "/x" };
  assert.equal(logLinkPath("/l", { name: "web", namespace: "default" }, container), "/l/web_default_c-abc.log");
  const long = logLinkPath("/l", { name: "w".repeat(250), namespace: "default" }, container);
  assert.equal(long.length, "/l/".length + 255);
  const logs = join(dir, "pods");
  const links = join(dir, "containers");
  await mkdir(logs);
  await mkdir(links);
  await writeFile(join(logs, "there"), "");
  await linkLog(join(links, "a"), join(logs, "there"));
  await linkLog(join(links, "a"), join(logs, "there"));
  await linkLog(join(links, "b"), join(logs, "gone"));
  await symlink("/nowhere", join(links, "foreign"));
  await removeDeadLinks(links, logs);
  assert.deepEqual((await readdir(links)).sort(), ["a", "foreign"]);
});
