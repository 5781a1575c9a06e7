// Pulls from a real registry, with and without the right login.
import { test } from "node:test";
import { runInNetns } from "../testing/run-in-netns.ts";

test(
  "the kubelet pulls from a real registry with a pod's secret or a plug-in's login, and says why it cannot",
  { timeout: 120_000 },
  () => runInNetns("./registry-scenario.ts"),
);
