// What becomes of a tool that fails, is stopped, or does not exist.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOutput, runCommand } from "./command.ts";

test("runCommand feeds input and gives back output and exit code", async () => {
  const result = await runCommand("sh", ["-c", "cat; echo why >&2; exit 3"], { input: "text" });
  assert.deepEqual(result, { code: 3, stdout: "text", stderr: "why\n" });
});

test("runCommand rejects with the signal's own reason when it is stopped", async () => {
  const stop = new AbortController();
  const running = runCommand("sleep", ["60"], { signal: stop.signal });
  const reason = new Error("stopped");
  stop.abort(reason);
  await assert.rejects(running, (error) => error === reason);
});

test("commandOutput fails with the tool's own words", async () => {
  await assert.rejects(commandOutput("sh", ["-c", "echo no such table >&2; exit 1"]), /failed: no such table$/);
  await assert.rejects(commandOutput("/nonexistent/tool", []), /ENOENT/);
});
