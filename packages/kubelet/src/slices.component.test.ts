// Pods in slices of systemd, where it runs this machine.
import { existsSync } from "node:fs";
import { test } from "node:test";
import { runInNetns } from "./testing/run-in-netns.ts";

test("the kubelet keeps pods in slices of a real systemd", { timeout: 180_000 }, async (t) => {
  if (!existsSync("/run/systemd/system")) return t.skip("systemd is not this machine's first process");
  await runInNetns("./slices-scenario.ts");
});
