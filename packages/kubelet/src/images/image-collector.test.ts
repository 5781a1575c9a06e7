// Which images go, in which order, and what is said of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Container, Image } from "../cri/types.ts";
import { ImageCollector, imagesInUse, sandboxImageOf } from "./image-collector.ts";

function image(id: string, more: Partial<Image> = {}): Image {
  return { id, repoTags: [`${id}:1`], repoDigests: [], size: "100", uid: null, username: "", pinned: false, ...more };
}

class Bench {
  now = 0;
  images: Image[] = [];
  used: string[] = [];
  available = 5;
  readonly removed: string[] = [];
  readonly said: string[] = [];
  readonly metrics = new MetricsRegistry();
  readonly collector: ImageCollector;

  constructor(maxAgeMs = 0) {
    this.collector = new ImageCollector(
      { highPercent: 85, lowPercent: 80, minAgeMs: 120_000, maxAgeMs, sandboxImage: "" },
      {
        cri: {
          listImages: async () => this.images,
          listContainers: async () => this.used.map((name) => ({ imageRef: name, image: null }) as Container),
          removeImage: async (id) => {
            this.removed.push(id);
            this.images = this.images.filter((one) => one.id !== id);
          },
          imageFsInfo: async () => [],
          runtimeInfo: async () => ({ config: '{"sandboxImage":"pause:1"}' }),
        },
        records: { prune: async () => {} },
        events: { warn: (reason, message) => this.said.push(`${reason} ${message}`) },
        metrics: this.metrics,
        clock: { ...realClock, monotonic: () => this.now },
        log: silentLogger(),
        readFs: async () => ({ capacity: 1000, available: this.available }),
      },
    );
  }
}

test("image collector removes the longest unused first, down to the low threshold, and spares used, pinned and young ones", async () => {
  const bench = new Bench();
  bench.images = ["a", "b", "c", "pause", "pin"].map((id) => image(id, { pinned: id === "pin" }));
  bench.used = ["a", "b"];
  bench.available = 500;
  bench.now = 10;
  await bench.collector.removeUnused();
  bench.now = 1000;
  bench.used = ["a"];
  await bench.collector.removeUnused();
  bench.images.push(image("young"));
  bench.now = 120_500;
  bench.used = [];
  await bench.collector.removeUnused();
  assert.deepEqual(bench.removed, ["c", "b", "a"]);
  assert.deepEqual(
    bench.images.map(({ id }) => id),
    ["pause", "pin", "young"],
  );
});

test("image collector acts from the high threshold on and says when it found too little", async () => {
  const bench = new Bench();
  bench.images = [image("a"), image("b")];
  bench.available = 160;
  await bench.collector.removeUnused();
  bench.now = 200_000;
  await bench.collector.collect();
  assert.deepEqual(bench.removed, []);
  bench.available = 50;
  await bench.collector.collect();
  assert.deepEqual(bench.removed, ["a", "b"]);
  await assert.rejects(
    bench.collector.collect(),
    /Attempted to free 150 bytes, but only found 0 bytes eligible to free\.$/,
  );
  assert.match(bench.said[0] ?? "", /^FreeDiskSpaceFailed /);
  assert.match(bench.metrics.render(), /kubelet_image_garbage_collected_total\{reason="space"\} 2/);
});

test("image collector removes what was idle for too long, but only once it has watched for as long", async () => {
  const bench = new Bench(600_000);
  bench.available = 900;
  bench.images = [image("a"), image("b")];
  bench.used = ["a"];
  bench.now = 300_000;
  await bench.collector.collect();
  bench.now = 600_000;
  await bench.collector.collect();
  assert.deepEqual(bench.removed, ["b"]);
});

test("imagesInUse knows an image by any of its names", () => {
  const images = [
    image("sha256:1", { repoTags: ["web:1"] }),
    image("sha256:2", { repoDigests: ["x@sha256:9"] }),
    image("sha256:3"),
  ];
  const containers = [
    { imageRef: "", image: { image: "web:1" } },
    { imageRef: "x@sha256:9", image: null },
  ];
  assert.deepEqual([...imagesInUse(images, containers, "")], ["sha256:1", "sha256:2"]);
  assert.equal(sandboxImageOf({ config: "no json" }), "");
});
