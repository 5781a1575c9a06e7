// Kills at random, and what is left of them.
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { runInNetns } from "./testing/run-in-netns.ts";

test("whatever is killed under churn, every pod ends as its spec says and nothing leaks", {
  timeout: 300_000,
}, async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  await runInNetns("./chaos-scenario.ts", seed);
});
