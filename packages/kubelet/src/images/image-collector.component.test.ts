import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { BUSYBOX_IMAGE, PrivateContainerd } from "../testing/private-containerd.ts";
import { ImageCollector } from "./image-collector.ts";

test("image collector frees a real containerd of unused images, but not of its sandboxes' own", {
  timeout: 60_000,
}, async () => {
  assert.equal(process.getuid?.(), 0, "this test makes network namespaces: run it as root");
  await using containerd = await PrivateContainerd.start("10.231.8.0/24");
  using cri = containerd.client();
  const deps = {
    cri,
    events: { warn: () => {} },
    records: { prune: async () => {} },
    metrics: new MetricsRegistry(),
    clock: realClock,
    log: silentLogger(),
  };
  const options = { highPercent: 85, lowPercent: 80, minAgeMs: 0, maxAgeMs: 0, sandboxImage: "" };
  const before = (await cri.listImages()).flatMap(({ repoTags }) => repoTags);
  assert.ok(before.includes(BUSYBOX_IMAGE) && before.length === 2, before.join());
  const freed = await new ImageCollector(options, deps).removeUnused();
  assert.ok(freed > 0);
  const left = (await cri.listImages()).flatMap(({ repoTags }) => repoTags);
  assert.deepEqual(left, ["skiff.test/pause:1"]);
});
