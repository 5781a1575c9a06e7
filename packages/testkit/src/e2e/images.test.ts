// `skiff images load` puts an image of one's own on every node.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { writeOciArchive } from "@skiff/cli/images/oci-archive.ts";
import { findKubectls, KubectlRunner } from "../kubectl.ts";
import { TestCluster } from "../test-cluster.ts";
import { waitFor } from "../wait-for.ts";

const IMAGE = "example.test/mine:3";

let cluster: TestCluster;
let kubectl: KubectlRunner;

before(async () => {
  cluster = await TestCluster.start(2);
  const newest = (await findKubectls()).at(-1);
  assert.ok(newest, "no kubectl can be had on this machine");
  kubectl = new KubectlRunner(newest, cluster.kubeconfig);
});

after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

test("a loaded archive runs on every node without a registry", async () => {
  const archive = join(cluster.state, "mine.tar");
  const busybox = readFileSync("/bin/busybox");
  await writeOciArchive(archive, [
    {
      name: IMAGE,
      files: [{ path: "sh", mode: 0o755, content: busybox }],
      entrypoint: ["/sh", "-c", "echo mine; sleep 99"],
    },
  ]);
  await cluster.skiff("images", "load", archive, "--state", cluster.state);
  for (const node of cluster.nodeNames) {
    const overrides = JSON.stringify({ spec: { nodeName: node, terminationGracePeriodSeconds: 0 } });
    await kubectl.run("run", `on-${node}`, `--image=${IMAGE}`, `--overrides=${overrides}`);
    await waitFor(`the pod on ${node}`, async () => (await kubectl.run("logs", `on-${node}`)) === "mine\n");
  }
});

test("a reference that is nowhere on the machine is refused in words when the cluster is isolated", async () => {
  await assert.rejects(
    cluster.skiff("images", "load", "example.test/none:1", "--state", cluster.state),
    /reaches no registry/,
  );
});
