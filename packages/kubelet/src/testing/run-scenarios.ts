// Runs the scenarios named on the command line one after the other, for machines in which a test runner would only add load.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { realClock } from "@skiff/component-base/clock.ts";
import { runInNetns } from "./run-in-netns.ts";

const { positionals } = parseArgs({ allowPositionals: true });
for (const name of positionals) {
  if (!(await succeeds(name))) process.exitCode = 1;
}

async function succeeds(name: string): Promise<boolean> {
  const seed = randomInt(2 ** 31);
  const start = realClock.monotonic();
  const seconds = () => Math.round((realClock.monotonic() - start) / 1000);
  try {
    await runInNetns(`./${name}-scenario.ts`, seed);
    process.stdout.write(`✔ ${name} (${seconds()} s)\n`);
    return true;
  } catch (error) {
    process.stdout.write(`${(error as Error).message}\n✖ ${name} (${seconds()} s, seed ${seed})\n`);
    return false;
  }
}
