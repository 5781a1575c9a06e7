// Runs a scenario's default export in a Node of its own inside a fresh network namespace without a way out.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { makeNetns } from "./private-containerd.ts";

const run = promisify(execFile);

/** `scenario` is a file beside this one; its function is given the namespace's name and, where there is one, the seed. Needs root. */
export async function runInNetns(scenario: string, seed?: number): Promise<void> {
  assert.equal(process.getuid?.(), 0, "this test makes network namespaces and containers: run it as root");
  const netns = `skiffk-${randomBytes(3).toString("hex")}`;
  await makeNetns(netns);
  try {
    const url = JSON.stringify(new URL(scenario, import.meta.url).href);
    const script = `const { default: runScenario } = await import(${url}); await runScenario("${netns}", ${seed});`;
    const command = [process.execPath, "--input-type=module", "-e", script];
    await run("nsenter", [`--net=/run/netns/${netns}`, ...command]).catch((error) => {
      assert.fail(`${error.message}\n${error.stdout}`);
    });
  } finally {
    await run("ip", ["netns", "del", netns]);
  }
}
