// The life of pods on one real node, step by step; kubelet.component.test.ts runs it inside a network namespace.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isNotFound } from "@skiff/api/errors.ts";
import { ROOT_ONE } from "@skiff/api/kinds/cluster-trust-bundle/sample-certificates.ts";
import { clusterTrustBundles, configMaps, pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { NodeUnderTest } from "./node-under-test.ts";
import { PodCertificateSigner } from "./pod-certificate-signer.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

const options = { signal: new AbortController().signal };

/** Rejects at the first step that goes wrong, with the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  using cri = node.containerd.client();
  const scenario = new Scenario(node, cri);
  try {
    await scenario.run();
  } catch (error) {
    throw await node.explain(error);
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly cri: CriClient;
  private readonly pods: ResourceClient<Pod>;

  constructor(node: NodeUnderTest, cri: CriClient) {
    this.node = node;
    this.cri = cri;
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    await this.prepare();
    await Promise.all([this.runsAPod(), this.certifiesAPod()]);
    await this.restartsWhatDies();
    await this.adoptsAfterARestart();
    await this.endsWhatTheApiLost();
    await this.leavesNothingBehind();
  }

  private async prepare(): Promise<void> {
    this.node.startKubelet();
    await this.node.isReady();
    await this.node.furnish();
    await this.node.client.of(configMaps).create("default", named("cfg", { greeting: "hello" }), options);
    const roots = { metadata: { name: "roots" }, spec: { trustBundle: ROOT_ONE } };
    await this.node.client.of(clusterTrustBundles).create("", roots, options);
  }

  private async runsAPod(): Promise<void> {
    const script = 'echo "$GREETING from $NAME"; cat /data/init /trust/ca.crt; sleep 1000';
    await this.node.createPod("web", {
      initContainers: [
        shell("init", "echo init > /data/init", { volumeMounts: [{ name: "data", mountPath: "/data" }] }),
      ],
      containers: [
        shell("c", script, {
          env: [
            { name: "GREETING", valueFrom: { configMapKeyRef: { name: "cfg", key: "greeting" } } },
            { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          ],
          readinessProbe: { exec: { command: ["cat", "/data/init"] }, periodSeconds: 1 },
          volumeMounts: [
            { name: "data", mountPath: "/data" },
            { name: "trust", mountPath: "/trust" },
          ],
        }),
      ],
      volumes: [
        { name: "data", emptyDir: {} },
        { name: "trust", projected: { sources: [{ clusterTrustBundle: { name: "roots", path: "ca.crt" } }] } },
      ],
    });
    const pod = await this.node.podIsReady("web");
    assert.match(pod.status?.podIP ?? "", /^10\.231\.7\.\d+$/);
    assert.equal(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.reason, "Completed");
    const log = join(this.node.logDir, `default_web_${pod.metadata.uid}`, "c", "0.log");
    await waitFor("the log", async () =>
      /stdout F hello from web\n.*stdout F init\n.*stdout F -----END CERTIFICATE-----/s.test(
        await readFile(log, "utf8"),
      ),
    );
  }

  /** The API lets the node ask for its own pods; whoever signs is somebody else. */
  private async certifiesAPod(): Promise<void> {
    const paths = { credentialBundlePath: "bundle.pem", keyPath: "key.pem", certificateChainPath: "chain.pem" };
    const podCertificate = { signerName: "example.com/signer", keyType: "ECDSAP256", ...paths };
    await this.node.createPod("certified", {
      containers: [
        shell("c", "cat /id/chain.pem; grep -c PRIVATE /id/key.pem /id/bundle.pem; sleep 1000", {
          volumeMounts: [{ name: "id", mountPath: "/id" }],
        }),
      ],
      volumes: [{ name: "id", projected: { sources: [{ podCertificate }] } }],
    });
    const signer = new PodCertificateSigner(this.node.client, this.node.authority);
    const lines = (await signer.sign("certified")).trim().split("\n");
    const pod = await this.node.podIsReady("certified");
    const log = join(this.node.logDir, `default_certified_${pod.metadata.uid}`, "c", "0.log");
    await waitFor("the certificate in the log", async () => {
      const said = (await readFile(log, "utf8")).split("\n").map((line) => line.replace(/^\S+ stdout F /, ""));
      return said.join("\n").startsWith([...lines, "/id/key.pem:2", "/id/bundle.pem:2"].join("\n"));
    });
  }

  private async restartsWhatDies(): Promise<void> {
    const id = containerId(await this.pods.get("default", "web", options));
    await this.cri.stopContainer(id, 0);
    const pod = await waitFor("the restart", async () => {
      const found = await this.pods.get("default", "web", options);
      return found.status?.containerStatuses?.[0]?.restartCount === 1 && found;
    });
    assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
    await this.node.podIsReady("web");
  }

  private async adoptsAfterARestart(): Promise<void> {
    const before = containerId(await this.node.podIsReady("web"));
    await this.node.stopKubelet("SIGKILL");
    await this.node.createPod("later", { containers: [shell("c", "sleep 1000")] });
    this.node.startKubelet();
    await this.node.podIsReady("later");
    const after = await this.pods.get("default", "web", options);
    assert.equal(containerId(after), before, "a running container was replaced");
    assert.equal(after.status?.containerStatuses?.[0]?.restartCount, 1);
    await this.restartsWithOldCertificate();
  }

  /** The next kubelet asks for another certificate, and nobody signs it: the files that are there serve on. */
  private async restartsWithOldCertificate(): Promise<void> {
    await new PodCertificateSigner(this.node.client, this.node.authority).pending("certified");
    await this.cri.stopContainer(containerId(await this.pods.get("default", "certified", options)), 0);
    await waitFor("the restart of the certified pod", async () => {
      const { status } = await this.pods.get("default", "certified", options);
      const container = status?.containerStatuses?.[0];
      return container?.restartCount === 1 && container.state?.running !== undefined;
    });
    await this.pods.delete("default", "certified", { gracePeriodSeconds: 1 }, options);
  }

  private async endsWhatTheApiLost(): Promise<void> {
    const stranger = await this.makeStranger();
    await this.node.stopKubelet("SIGKILL");
    await this.pods.delete("default", "later", { gracePeriodSeconds: 0 }, options);
    this.node.startKubelet();
    await waitFor("the lost pod to end", async () => {
      const sandboxes = await this.cri.listPodSandboxes();
      return !sandboxes.some(({ metadata }) => metadata?.name === "later");
    });
    const left = (await this.cri.listPodSandboxes()).find(({ id }) => id === stranger);
    assert.equal(left?.state, "SANDBOX_READY", "a sandbox that the kubelet did not make was touched");
    await this.cri.stopPodSandbox(stranger);
    await this.cri.removePodSandbox(stranger);
  }

  private async makeStranger(): Promise<string> {
    const config = {
      metadata: { name: "stranger", uid: "stranger", namespace: "elsewhere", attempt: 0 },
      hostname: "stranger",
      logDirectory: "",
      portMappings: [],
      labels: {},
      annotations: {},
      linux: {
        cgroupParent: this.node.cgroupRoot,
        sysctls: {},
        securityContext: {
          namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" } as const,
          supplementalGroups: [],
          privileged: false,
        },
      },
    };
    return this.cri.runPodSandbox(config, "");
  }

  private async leavesNothingBehind(): Promise<void> {
    await this.pods.delete("default", "web", {}, options);
    await waitFor("the pod to be gone", async () => {
      return this.pods.get("default", "web", options).then(
        () => false,
        (error) => isNotFound(error),
      );
    });
    await waitFor("its sandbox to be gone", async () => (await this.cri.listPodSandboxes()).length === 0);
    assert.deepEqual(await readdir(join(this.node.rootDir, "pods")), []);
    await waitFor("its logs to be gone", async () => (await readdir(this.node.logDir)).length === 0);
    // The one tmpfs of all secrets stays with the kubelet, but holds nothing of a pod that is gone.
    assert.deepEqual(await readdir(join(this.node.rootDir, "memory-volumes")), []);
    const mounts = await readFile("/proc/self/mounts", "utf8");
    const left = mounts.split("\n").filter((line) => line.includes(join(this.node.rootDir, "pods")));
    assert.deepEqual(left, [], "a mount is left");
  }
}

function named(name: string, data: Record<string, string>) {
  return { metadata: { name }, data };
}

function shell(name: string, script: string, more: object = {}) {
  return { name, image: BUSYBOX_IMAGE, command: ["sh", "-c", script], ...more };
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
