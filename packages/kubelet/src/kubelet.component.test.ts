// A pod's life on a real node.
import { test } from "node:test";
import { runInNetns } from "./testing/run-in-netns.ts";

test("the kubelet runs, restarts, adopts and cleans up pods on a real containerd", { timeout: 180_000 }, () =>
  runInNetns("./pod-scenario.ts"),
);
