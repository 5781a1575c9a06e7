// Reading container logs from real files: tail, since, times, limits, cut lines, rotation and following.
import assert from "node:assert/strict";
import { appendFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import type { LogRequest } from "./read-log.ts";
import { readLog } from "./read-log.ts";

const FASTER = 50;
const clock = {
  after: (ms: number, fn: () => void) => realClock.after(ms / FASTER, fn),
  monotonic: () => realClock.monotonic() * FASTER,
};

const at = (second: number) => `2026-01-02T03:04:${String(second).padStart(2, "0")}.5Z`;
const line = (second: number, text: string, tag = "F", stream = "stdout") => `${at(second)} ${stream} ${tag} ${text}\n`;

async function logFile(t: TestContext, content: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "skiff-log-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, "0.log");
  await writeFile(path, content);
  return path;
}

async function read(request: LogRequest): Promise<string> {
  const pieces = await readLog(request, { isRunning: async () => false, clock }, new AbortController().signal);
  return (await Array.fromAsync(pieces)).join("");
}

test("readLog gives the lines of both streams, or of one, without the runtime's columns", async (t) => {
  const path = await logFile(t, line(1, "a") + line(2, "b", "F", "stderr") + line(3, "") + line(4, "c d"));
  assert.equal(await read({ path }), "a\nb\n\nc d\n");
  assert.equal(await read({ path, stream: "stderr" }), "b\n");
});

test("readLog joins cut lines per stream, gives them one time, and skips what no runtime wrote", async (t) => {
  const cut = line(1, "one ", "P") + line(2, "err", "F", "stderr") + line(3, "line", "F");
  const path = await logFile(t, `${cut}\0\0\0garbage\n${line(4, "end", "F:later")}`);
  assert.equal(await read({ path }), "one err\nline\nend\n");
  const times = "2026-01-02T03:04:01.500000000Z one 2026-01-02T03:04:02.500000000Z err\nline\n";
  assert.equal(await read({ path, timestamps: true }), `${times}2026-01-02T03:04:04.500000000Z end\n`);
});

test("readLog counts tail lines from the end, a cut line as one", async (t) => {
  const path = await logFile(t, line(1, "first") + line(2, "lo", "P") + line(3, "ng") + line(4, "last"));
  const tails = await Promise.all([0, 1, 2, 3, 9].map((tailLines) => read({ path, tailLines })));
  assert.deepEqual(tails, ["", "last\n", "long\nlast\n", "first\nlong\nlast\n", "first\nlong\nlast\n"]);
});

test("readLog finds tails whatever their place within the blocks that it reads", async (t) => {
  // Lines of changing length, so that heads of entries fall across the blocks' borders.
  const lines = Array.from({ length: 3000 }, (_, index) => `${index} ${"x".repeat(index % 97)}`);
  const path = await logFile(t, lines.map((text) => line(1, text)).join(""));
  for (const tailLines of [1, 700, 701, 702, 1500, 2047, 2999]) {
    const text = await read({ path, tailLines });
    assert.equal(text, `${lines.slice(-tailLines).join("\n")}\n`, `tail of ${tailLines}`);
  }
});

test("readLog leaves out what is older than asked, and stops at the byte limit", async (t) => {
  const path = await logFile(t, line(1, "old") + line(2, "same") + line(3, "new"));
  assert.equal(await read({ path, sinceMs: Date.parse(at(2)) }), "same\nnew\n");
  assert.equal(await read({ path, limitBytes: 6 }), "old\nsa");
  assert.equal(await read({ path, limitBytes: 4, tailLines: 1 }), "new\n");
});

test("readLog gives the last line though its newline is missing", async (t) => {
  const path = await logFile(t, `${line(1, "a")}${line(2, "half").trimEnd()}`);
  assert.equal(await read({ path }), "a\nhalf\n");
});

test("readLog rejects for a file that is not there", async () => {
  await assert.rejects(read({ path: "/nonexistent/0.log" }), /ENOENT/);
});

test("readLog follows a file across its rotation until the container is done", { timeout: 20_000 }, async (t) => {
  const path = await logFile(t, line(1, "before") + line(2, "begin"));
  let isRunning = true;
  const deps = { isRunning: async () => isRunning, clock };
  const pieces = await readLog({ path, follow: true, tailLines: 1 }, deps, new AbortController().signal);
  const next = async () => String((await pieces.next()).value);
  assert.equal(await next(), "begin\n");
  await appendFile(path, line(3, "more"));
  assert.equal(await next(), "more\n");
  await rename(path, `${path}.old`);
  await appendFile(`${path}.old`, line(4, "into the old file"));
  assert.equal(await next(), "into the old file\n");
  await writeFile(path, line(5, "into the new file"));
  assert.equal(await next(), "into the new file\n");
  isRunning = false;
  await appendFile(path, line(6, "goodbye"));
  assert.equal(await next(), "goodbye\n");
  assert.equal((await pieces.next()).done, true);
});

test("readLog writes half an entry only once the rest of it has come", { timeout: 20_000 }, async (t) => {
  const entry = line(1, "whole");
  const path = await logFile(t, entry.slice(0, 20));
  const deps = { isRunning: async () => true, clock };
  const pieces = await readLog({ path, follow: true }, deps, new AbortController().signal);
  const first = pieces.next();
  await realClock.sleep(50);
  await appendFile(path, entry.slice(20));
  assert.equal(String((await first).value), "whole\n");
  await pieces.return(undefined);
});

test("readLog stops following when its client leaves", { timeout: 20_000 }, async (t) => {
  const path = await logFile(t, "");
  const controller = new AbortController();
  const pieces = await readLog({ path, follow: true }, { isRunning: async () => true, clock }, controller.signal);
  const end = pieces.next();
  controller.abort();
  assert.equal((await end).done, true);
});
