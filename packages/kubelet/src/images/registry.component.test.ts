import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { promisify } from "node:util";
import { makeNetns } from "../testing/private-containerd.ts";

const run = promisify(execFile);
const SCENARIO = new URL("../testing/registry-scenario.ts", import.meta.url).href;

test("the kubelet pulls from a real registry with a pod's secret or a plug-in's login, and says why it cannot", {
  timeout: 120_000,
}, async () => {
  assert.equal(process.getuid?.(), 0, "this test makes network namespaces and containers: run it as root");
  const netns = `skiffk-${randomBytes(3).toString("hex")}`;
  await makeNetns(netns);
  try {
    const script = `const { default: runScenario } = await import(${JSON.stringify(SCENARIO)}); await runScenario("${netns}");`;
    const command = [process.execPath, "--input-type=module", "-e", script];
    await run("nsenter", [`--net=/run/netns/${netns}`, ...command]).catch((error) => {
      assert.fail(`${error.message}\n${error.stdout}`);
    });
  } finally {
    await run("ip", ["netns", "del", netns]);
  }
});
