// The whole check, step by step: generated files, format and lint, types, tidiness, tests, and cluster tests unless --quick.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const ROOT = join(import.meta.dirname, "..");
const BIN = join(ROOT, "node_modules", ".bin");
/** A test that hangs must not hang the check. */
const TEST_TIMEOUT_MS = 120_000;
const CLUSTER_TEST_TIMEOUT_MS = 600_000;

interface Count {
  passed: number;
  failed: number;
}

const isQuick = process.argv.includes("--quick");
const count: Count = { passed: 0, failed: 0 };

await check();

async function check(): Promise<void> {
  const node = process.execPath;
  await step("generate", node, ["packages/api/scripts/generate.ts"]);
  await step("format and lint", join(BIN, "biome"), ["check", "--error-on-warnings", "."]);
  await step("types", join(BIN, "tsc"), ["--noEmit", "-p", "tsconfig.json"]);
  await step("tidy", node, ["scripts/tidy.ts"]);
  await step("build", node, ["scripts/build.ts"]);
  const tests = globSync("packages/*/src/**/*.test.ts", { cwd: ROOT }).map((file) => join(ROOT, file));
  const isCluster = (file: string) => file.includes("/e2e/");
  await runTests(
    "unit and component tests",
    tests.filter((file) => !isCluster(file)),
    availableParallelism(),
    TEST_TIMEOUT_MS,
  );
  // Cluster tests share the machine's two cores with their cluster, so they run one file after another.
  if (!isQuick) await runTests("cluster tests", tests.filter(isCluster), 1, CLUSTER_TEST_TIMEOUT_MS);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  process.exit(count.failed > 0 ? 1 : 0);
}

/** A step counts as one check. The others still run when it fails: one round shows all there is to mend. */
async function step(title: string, command: string, args: readonly string[]): Promise<void> {
  const start = performance.now();
  const { code, output } = await runTool(command, args);
  const isGood = code === 0;
  if (isGood) count.passed += 1;
  else count.failed += 1;
  if (!isGood) process.stdout.write(output);
  process.stdout.write(`${isGood ? "✔" : "✘"} ${title} (${seconds(start)})\n`);
}

function runTool(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

async function runTests(title: string, files: readonly string[], concurrency: number, timeout: number): Promise<void> {
  const start = performance.now();
  const before = { ...count };
  const stream = run({ files, concurrency, timeout, cwd: ROOT });
  stream.on("test:pass", ({ details, skip, todo }) => {
    if (details.type !== "suite" && !skip && !todo) count.passed += 1;
  });
  stream.on("test:fail", ({ details }) => {
    if (details.type !== "suite") count.failed += 1;
  });
  await new Promise<void>((resolve) => {
    stream.once("end", resolve);
    stream.compose(new spec()).pipe(process.stdout, { end: false });
  });
  const passed = count.passed - before.passed;
  const failed = count.failed - before.failed;
  process.stdout.write(
    `${failed === 0 ? "✔" : "✘"} ${title}: ${passed} passed, ${failed} failed (${seconds(start)})\n`,
  );
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
