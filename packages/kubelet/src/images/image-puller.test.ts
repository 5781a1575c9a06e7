// Pulls beyond a rate.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "@skiff/client/token-bucket.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import type { PodSandboxConfig } from "../cri/types.ts";
import { ImagePuller } from "./image-puller.ts";

test("ImagePuller refuses pulls beyond its rate in upstream's words; those who share one count once", async () => {
  const clock = new FakeClock();
  const pulled: string[] = [];
  const cri = {
    pullImage: async (image: string) => {
      pulled.push(image);
      return image;
    },
  };
  const puller = new ImagePuller(cri, 5, new TokenBucket({ perSecond: 1, burst: 2 }, clock));
  const { signal } = new AbortController();
  const sandbox = {} as PodSandboxConfig;
  const pull = (image: string) => puller.pull(image, [], sandbox, signal);
  await Promise.all([pull("a"), pull("a"), pull("b")]);
  assert.deepEqual(pulled, ["a", "b"]);
  await assert.rejects(pull("c"), new Error("pull QPS exceeded"));
  await clock.advance(1000);
  assert.equal((await pull("c")).ref, "c");
});
