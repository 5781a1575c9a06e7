// Pods that only a newer runtime can run, on the containerd that comes first on the PATH.
import { test } from "node:test";
import { commandOutput } from "@skiff/component-base/command.ts";
import { runInNetns } from "./testing/run-in-netns.ts";

test("the kubelet runs pods with users, images and read-only trees of their own", { timeout: 180_000 }, async (t) => {
  const version = await commandOutput("containerd", ["--version"]);
  if (!/ v?2\.[1-9]/.test(version)) return t.skip("containerd 2.1 or later is wanted first on the PATH");
  await runInNetns("./newer-runtime-scenario.ts");
});
