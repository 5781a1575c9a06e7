// What pods ask for, on a real node.
import { test } from "node:test";
import { runInNetns } from "./testing/run-in-netns.ts";

test(
  "the kubelet gives pods what they ask for, and what they ask for later, on a real containerd",
  { timeout: 180_000 },
  () => runInNetns("./resources-scenario.ts"),
);
