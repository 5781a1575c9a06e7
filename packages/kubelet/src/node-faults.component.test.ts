// What a node has to live through.
import { test } from "node:test";
import { runInNetns } from "./testing/run-in-netns.ts";

test("the kubelet outlives bad pods, a silent API, lost images, a full disk and a reboot", { timeout: 300_000 }, () =>
  runInNetns("./faults-scenario.ts"),
);
