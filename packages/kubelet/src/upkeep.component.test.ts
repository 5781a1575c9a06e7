// What keeps a real node in shape.
import { test } from "node:test";
import { runInNetns } from "./testing/run-in-netns.ts";

test("the kubelet runs static pods, rotates logs, evicts and refuses on a real containerd", { timeout: 180_000 }, () =>
  runInNetns("./upkeep-scenario.ts"),
);
