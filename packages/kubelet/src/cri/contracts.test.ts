import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTRACTS, describeProto, readDescriptor } from "../../scripts/generate-protos.ts";

test("the committed descriptors are those of proto/ (else run `pnpm --filter @skiff/kubelet generate`)", async () => {
  for (const { proto, json } of CONTRACTS) {
    assert.deepEqual(await readDescriptor(json), await describeProto(proto), json);
  }
});
