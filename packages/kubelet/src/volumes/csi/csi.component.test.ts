// CSI volumes on a real node.
import { test } from "node:test";
import { runInNetns } from "../../testing/run-in-netns.ts";

test(
  "the kubelet serves CSI volumes of a real driver, through restarts, and leaves nothing mounted",
  { timeout: 180_000 },
  () => runInNetns("./csi-scenario.ts"),
);
