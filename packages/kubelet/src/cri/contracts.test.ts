import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTRACTS, describeProto, readDescriptor } from "../../scripts/generate-protos.ts";
import { messageCodec } from "../grpc/service-methods.ts";

test("the committed descriptors are those of proto/ (else run `pnpm --filter @skiff/kubelet generate`)", async () => {
  for (const { proto, json } of CONTRACTS) {
    assert.deepEqual(await readDescriptor(json), await describeProto(proto), json);
  }
});

test("stop signals travel as CRI's own numbers, which are not the kernel's", async () => {
  const codec = messageCodec<{ stopSignal?: string }>(
    (await readDescriptor("packages/kubelet/src/cri/runtime-v1.json")) as object,
    "runtime.v1.ContainerConfig",
  );
  const bytes = (stopSignal: string) => [...codec.encode({ stopSignal })];
  // Field 18 as a varint, then SIGUSR1 and the last of them.
  assert.deepEqual(
    [bytes("SIGUSR1"), bytes("SIGRTMAX")],
    [
      [0x90, 1, 29],
      [0x90, 1, 65],
    ],
  );
});
