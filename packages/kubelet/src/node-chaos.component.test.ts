import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import { promisify } from "node:util";
import { makeNetns } from "./testing/private-containerd.ts";

const run = promisify(execFile);
const SCENARIO = new URL("./testing/chaos-scenario.ts", import.meta.url).href;

test("whatever is killed under churn, every pod ends as its spec says and nothing leaks", {
  timeout: 240_000,
}, async (context) => {
  assert.equal(process.getuid?.(), 0, "this test makes network namespaces and containers: run it as root");
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  const netns = `skiffk-${randomBytes(3).toString("hex")}`;
  await makeNetns(netns);
  try {
    const script = `const { default: runScenario } = await import(${JSON.stringify(SCENARIO)}); await runScenario("${netns}", ${seed});`;
    const command = [process.execPath, "--input-type=module", "-e", script];
    await run("nsenter", [`--net=/run/netns/${netns}`, ...command]).catch((error) => {
      assert.fail(`seed ${seed}: ${error.message}\n${error.stdout}`);
    });
  } finally {
    await run("ip", ["netns", "del", netns]);
  }
});
