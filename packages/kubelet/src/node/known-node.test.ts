import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, NodeSpec } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { sampleMeta, samplePod } from "../testing/sample-pods.ts";
import { KnownNode } from "./known-node.ts";

const nodeWith = (spec: NodeSpec, labels: Record<string, string> = {}): Node => ({
  metadata: { ...sampleMeta("n1"), labels },
  spec,
});

test("KnownNode looks again before its labels or taints turn a pod away, and makes do while the API is silent", async () => {
  let answer: Node | undefined = nodeWith({}, { disk: "fast" });
  let asked = 0;
  const get = async () => {
    asked++;
    if (!answer) throw new Error("no answer");
    return answer;
  };
  const client = { of: () => ({ get }) } as unknown as Pick<RestClient, "of">;
  const { signal } = new AbortController();
  const config = { nodeName: "n1", "pod-cidr": "" };
  const node = new KnownNode({ cri: { updatePodCidr: async () => {} }, log: silentLogger(), client, config, signal });
  node.learn(nodeWith({ taints: [{ key: "gone", effect: "NoExecute" }] }));
  await node.lookAgainFor(samplePod({ tolerations: [{ operator: "Exists" }] }));
  assert.equal(asked, 0, "asked for a pod that is welcome");
  await node.lookAgainFor(samplePod());
  assert.equal(node.current?.spec?.taints, undefined);
  await node.lookAgainFor(samplePod({ nodeSelector: { disk: "fast" } }));
  assert.equal(asked, 1);
  answer = undefined;
  await node.lookAgainFor(samplePod({ nodeSelector: { disk: "slow" } }));
  assert.deepEqual(node.current?.metadata.labels, { disk: "fast" });
});
