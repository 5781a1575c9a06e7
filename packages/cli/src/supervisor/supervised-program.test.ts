// The supervisor's view of processes: who is still the one that was started, and how long a dying one waits.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { shimId } from "./end-idle-shims.ts";
import { rotateLog, tailLog } from "./log-file.ts";
import { identifyProcess, isAlive, parseStat } from "./process-identity.ts";
import { restartDelayMs } from "./supervised-program.ts";

test("parseStat copes with a command name of parentheses and spaces", () => {
  const stat = `12 (a) b (c)) S ${Array.from({ length: 18 }, (_, index) => index).join(" ")} 987 0`;
  assert.deepEqual(parseStat(stat), { state: "S", startTicks: 987 });
});

test("isAlive is false for another process under the same pid, and after a reboot", () => {
  const self = identifyProcess(process.pid)!;
  assert.ok(isAlive(self));
  assert.ok(!isAlive({ ...self, startTicks: self.startTicks - 1 }));
  assert.ok(!isAlive({ ...self, bootId: "another" }));
});

test("shimId takes the shims of one containerd alone, and not the helpers that end by themselves", () => {
  const words = ["/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "one", "-address", "/run/a.sock"];
  assert.equal(shimId(words, "/run/a.sock"), "one");
  assert.equal(shimId(words, "/run/b.sock"), undefined);
  assert.equal(shimId([...words, "start"], "/run/a.sock"), undefined);
  assert.equal(shimId(words.with(0, "/usr/bin/containerd"), "/run/a.sock"), undefined);
  assert.equal(shimId(words.with(2, "moby"), "/run/a.sock"), undefined);
  assert.equal(shimId([], "/run/a.sock"), undefined);
});

test("restartDelayMs grows from nothing to 15 seconds", () => {
  assert.deepEqual([0, 1, 2, 3, 20].map(restartDelayMs), [0, 200, 400, 800, 15_000]);
});

test("rotateLog keeps the old text aside once the file is too long, and tailLog shows the last lines", () => {
  const folder = mkdtempSync(join(tmpdir(), "skiff-log-"));
  try {
    const path = join(folder, "x.log");
    writeFileSync(path, "one\ntwo\nthree\n");
    assert.equal(tailLog(path, 2), "two\nthree");
    assert.equal(rotateLog(path, 100), false);
    assert.equal(rotateLog(path, 5), true);
    assert.equal(readFileSync(path, "utf8"), "");
    assert.equal(tailLog(`${path}.1`, 1), "three");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
