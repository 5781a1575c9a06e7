// What newer runtimes can do and the machine's containerd cannot: how that is told.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import type { FastifyRequest } from "fastify";
import type { CriClient } from "../cri/cri-client.ts";
import { checkpointHandler } from "../server/checkpoint-container.ts";
import type { RunParams } from "../server/run-in-container.ts";
import { PrivateContainerd } from "../testing/private-containerd.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import { refuseUserNamespace } from "./user-namespaces.ts";

const stack = new AsyncDisposableStack();
let cri: CriClient;
let dir = "";

before(async () => {
  assert.equal(process.getuid?.(), 0, "this test makes network namespaces: run it as root");
  dir = await mkdtemp(join(tmpdir(), "skiff-checkpoints-"));
  stack.defer(() => rm(dir, { recursive: true }));
  const containerd = stack.use(await PrivateContainerd.start("10.231.10.0/24"));
  cri = stack.use(containerd.client());
});
after(() => stack.disposeAsync());

test("a pod with users of its own is refused in upstream's words", { timeout: 60_000 }, async () => {
  const message = "can't set `spec.hostUsers: false`, runtime does not support user namespaces";
  await assert.rejects(refuseUserNamespace(cri, ""), { message });
});

test("a checkpoint names what is missing, or repeats why the runtime made none", async () => {
  const pod = samplePod({ containers: [sampleContainer("c")] });
  const handler = checkpointHandler(
    { rootDir: dir },
    {
      pods: { find: (_namespace, name) => (name === "web" ? pod : undefined) },
      runtime: { read: async () => ({ pod: sampleRuntime([sampleState("c")]), fingerprint: "" }) },
      cri,
      clock: realClock,
    },
  );
  const ask = (name: string, container: string, query = "") =>
    handler({
      params: { namespace: "default", pod: name, container },
      url: `/checkpoint/default/${name}/${container}${query}`,
    } as FastifyRequest<{ Params: RunParams }>);
  await assert.rejects(ask("gone", "c"), { status: 404, message: "pod does not exist" });
  await assert.rejects(ask("web", "x"), { status: 404, message: "container x does not exist" });
  await assert.rejects(ask("web", "c", "?timeout=soon"), { status: 400 });
  await assert.rejects(ask("web", "c", "?timeout=5"), (error: { status: number; message: string }) => {
    assert.equal(error.status, 500);
    assert.match(error.message, /^checkpointing of default\/web\/c failed \(.*Unimplemented.*CheckpointContainer/);
    return true;
  });
});
