// CSI volumes on one real node with a real driver, through restarts, and mounts that the runtime lacks; csi.component.test.ts runs it in a namespace.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isNotFound } from "@skiff/api/errors.ts";
import {
  csiDrivers,
  csiNodes,
  events,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  secrets,
  volumeAttachments,
} from "@skiff/api/resource-ref.ts";
import type { CSIDriverSpec, Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { CsiDriver } from "@skiff/testkit/csi/csi-driver.ts";
import { Refusal } from "@skiff/testkit/csi/grpc-server.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { mountsImages } from "../runtime/image-volumes.ts";
import { attachmentName } from "../volumes/csi/volume-data.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

const options = { signal: new AbortController().signal };
const DRIVER = "test.csi.example.org";

/** Rejects at the first step that goes wrong, with the warnings and the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  await using driver = await CsiDriver.start({
    name: DRIVER,
    kubeletRoot: node.rootDir,
    storage: join(node.containerd.dir, "storage"),
    nodeId: "node-one",
    topology: { "topology.test.csi/zone": "z1" },
    maxVolumes: 9,
  });
  const scenario = new Scenario(node, driver);
  try {
    await scenario.run();
  } catch (error) {
    const { items } = await node.client.of(events).list({}, options);
    const warnings = items.filter(({ type }) => type === "Warning").map(({ message }) => message);
    const calls = driver.calls.map(({ method, request }) => `${method} ${request.volumeId}`);
    const what = [(error as Error).stack, ...warnings, ...calls, node.kubeletLog.slice(-6000)];
    throw new Error(what.join("\n"), { cause: error });
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly driver: CsiDriver;
  private readonly pods: ResourceClient<Pod>;

  constructor(node: NodeUnderTest, driver: CsiDriver) {
    this.node = node;
    this.driver = driver;
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    await this.prepare();
    await this.registers();
    await this.attachesStagesAndPublishes();
    await this.outlivesARestart();
    await this.growsWithItsClaim();
    await this.endsWhatAnEarlierKubeletBegan();
    await this.needsNoAttaching();
    // Where there are none, the driver cannot make a device.
    if (existsSync("/dev/loop-control")) await this.givesADevice();
    await this.publishesInline();
    await this.mountsTheClaimOfOnePod();
    await this.tellsOfRefusals();
    await this.tellsWhatTheRuntimeCannotMount();
    await this.withdraws();
    await this.leavesNothingBehind();
  }

  private async prepare(): Promise<void> {
    this.node.startKubelet();
    await this.node.isReady();
    await this.node.furnish();
    const data = { password: Buffer.from("open sesame").toString("base64") };
    await this.node.client.of(secrets).create("default", { metadata: { name: "key" }, data }, options);
  }

  private async registers(): Promise<void> {
    const bare = await waitFor("the CSINode", () => this.node.client.of(csiNodes).get("", NODE_NAME, options));
    assert.deepEqual(bare.spec.drivers, []);
    await this.driver.register();
    const { spec, metadata } = await this.node.client.of(csiNodes).get("", NODE_NAME, options);
    assert.deepEqual(spec.drivers, [
      { name: DRIVER, nodeID: "node-one", topologyKeys: ["topology.test.csi/zone"], allocatable: { count: 9 } },
    ]);
    assert.equal(metadata.ownerReferences?.[0]?.kind, "Node");
    const node = await this.node.client.of(nodes).get("", NODE_NAME, options);
    assert.equal(node.metadata.labels?.["topology.test.csi/zone"], "z1");
  }

  private async attachesStagesAndPublishes(): Promise<void> {
    await this.driverObject({ podInfoOnMount: true, tokenRequests: [{ audience: "vault" }] });
    const ref = { namespace: "default", name: "key" };
    await this.node.bindVolume("one", {
      csi: {
        driver: DRIVER,
        volumeHandle: "vol-1",
        fsType: "ext4",
        nodeStageSecretRef: ref,
        volumeAttributes: { a: "1" },
      },
      mountOptions: ["noatime"],
    });
    await this.create("writer", "echo first >> /v/log; sleep 1000", "one", { fsGroup: 4321 });
    const name = `kubernetes.io/csi/${DRIVER}^vol-1`;
    await waitFor("the volume to be in use", async () => {
      const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
      return status?.volumesInUse?.includes(name);
    });
    assert.deepEqual(this.driver.requests("NodeStageVolume"), [], "it was staged before it was attached");
    await this.attach("one", "vol-1", { device: "sdz" });
    await this.node.podIsReady("writer");
    const [staged] = this.driver.requests("NodeStageVolume");
    const [published] = this.driver.requests("NodePublishVolume");
    assert.deepEqual(staged?.publishContext, { device: "sdz" });
    assert.deepEqual(staged?.secrets, { password: "open sesame" });
    assert.deepEqual(staged?.volumeCapability.mount, { fsType: "ext4", mountFlags: ["noatime"], volumeMountGroup: "" });
    assert.equal(staged?.volumeCapability.accessMode.mode, "SINGLE_NODE_MULTI_WRITER");
    assert.match(
      staged?.stagingTargetPath ?? "",
      /plugins\/kubernetes\.io\/csi\/test\.csi\.example\.org\/[0-9a-f]{64}\/globalmount$/,
    );
    assert.match(published?.targetPath ?? "", /volumes\/kubernetes\.io~csi\/one\/mount$/);
    const context = published?.volumeContext ?? {};
    assert.equal(context.a, "1");
    assert.equal(context["csi.storage.k8s.io/pod.name"], "writer");
    const tokens = JSON.parse(context["csi.storage.k8s.io/serviceAccount.tokens"] ?? "{}");
    assert.match(tokens.vault.token, /^ey/);
    assert.ok(Date.parse(tokens.vault.expirationTimestamp) > 0);
    await waitFor("the file", async () => (await this.written("vol-1")) === "first\n");
    assert.equal((await stat(this.driver.folder("vol-1"))).gid, 4321);
  }

  private async outlivesARestart(): Promise<void> {
    await this.node.stopKubelet("SIGKILL");
    await this.create("second", "echo second >> /v/log; sleep 1000", "one");
    this.node.startKubelet();
    await this.driver.unregister();
    await this.driver.register();
    await this.node.podIsReady("second");
    await waitFor("the second pod's line", async () => (await this.written("vol-1")) === "first\nsecond\n");
    const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
    assert.deepEqual(status?.volumesInUse, [`kubernetes.io/csi/${DRIVER}^vol-1`]);
  }

  private async growsWithItsClaim(): Promise<void> {
    const volumes = this.node.client.of(persistentVolumes);
    await volumes.patch("", "one", "merge", { spec: { capacity: { storage: "2Gi" } } }, options);
    // A look at the pod finds it: any change to the pod brings one.
    await this.pods.patch("default", "second", "merge", { metadata: { labels: { look: "now" } } }, options);
    await waitFor("the claim to have grown", async () => {
      const { status } = await this.node.client.of(persistentVolumeClaims).get("default", "one", options);
      return status?.capacity?.storage === "2Gi";
    });
    const [request] = this.driver.requests("NodeExpandVolume");
    assert.equal(request?.capacityRange?.requiredBytes, String(2 * 1024 ** 3));
  }

  private async endsWhatAnEarlierKubeletBegan(): Promise<void> {
    await this.remove("second");
    assert.equal(this.driver.requests("NodeUnstageVolume").length, 0, "it was unstaged under the first pod");
    await this.node.stopKubelet("SIGKILL");
    await this.pods.delete("default", "writer", { gracePeriodSeconds: 0 }, options);
    this.node.startKubelet();
    await waitFor("the volume to be unstaged", async () => this.driver.requests("NodeUnstageVolume").length === 1);
    await waitFor("the volume to be free", async () => {
      const { status } = await this.node.client.of(nodes).get("", NODE_NAME, options);
      return (status?.volumesInUse ?? []).length === 0;
    });
    assert.equal(await this.written("vol-1"), "first\nsecond\n", "the volume's data was removed");
  }

  private async needsNoAttaching(): Promise<void> {
    await this.node.client.of(csiDrivers).delete("", DRIVER, {}, options);
    await this.driverObject({ attachRequired: false, volumeLifecycleModes: ["Persistent", "Ephemeral"] });
  }

  private async givesADevice(): Promise<void> {
    await this.node.bindVolume("raw", { csi: { driver: DRIVER, volumeHandle: "vol-raw" }, volumeMode: "Block" });
    const volumeDevices = [{ name: "v", devicePath: "/dev/xvda" }];
    await this.pods.create(
      "default",
      podWith("raw", {
        // Written through: the kubelet's lock keeps the device open, so closing it here brings nothing to the disk.
        containers: [shell("echo on the device | dd of=/dev/xvda conv=fsync; sleep 1000", { volumeDevices })],
        volumes: [{ name: "v", persistentVolumeClaim: { claimName: "raw" } }],
      }),
      options,
    );
    await this.node.podIsReady("raw");
    await waitFor("the bytes", async () => {
      const image = await readFile(`${this.driver.folder("vol-raw")}.img`, "latin1");
      return image.startsWith("on the device\n");
    });
    await this.remove("raw");
    await waitFor(
      "the device to be unstaged",
      async () => this.driver.requests("NodeUnstageVolume", "vol-raw").length > 0,
    );
  }

  private async publishesInline(): Promise<void> {
    const csi = { driver: DRIVER, volumeAttributes: { kind: "scratch" }, readOnly: false };
    await this.pods.create(
      "default",
      podWith("inline", { containers: [mounting("echo mine > /v/log; sleep 1000")], volumes: [{ name: "v", csi }] }),
      options,
    );
    await this.node.podIsReady("inline");
    const [request] = this.driver.requests("NodePublishVolume").slice(-1);
    assert.match(request?.volumeId ?? "", /^csi-[0-9a-f]{64}$/);
    assert.equal(request?.stagingTargetPath, "");
    await waitFor("the file", async () => (await this.written(request?.volumeId ?? "")) === "mine\n");
    await this.remove("inline");
    assert.equal(this.driver.requests("NodeUnpublishVolume", request?.volumeId).length, 1);
  }

  /** A generic ephemeral volume: its claim is made for the pod and owned by it. */
  private async mountsTheClaimOfOnePod(): Promise<void> {
    const template = { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } };
    const volumes = [{ name: "v", ephemeral: { volumeClaimTemplate: template } }];
    const spec = podWith("brief", { containers: [mounting("echo brief > /v/log; sleep 1000")], volumes });
    const { metadata } = await this.pods.create("default", spec, options);
    const owner = { apiVersion: "v1", kind: "Pod", name: "brief", uid: metadata.uid ?? "", controller: true };
    await this.node.bindVolume("brief-v", { csi: { driver: DRIVER, volumeHandle: "vol-brief" } }, [owner]);
    await this.node.podIsReady("brief");
    await waitFor("the file", async () => (await this.written("vol-brief")) === "brief\n");
    await this.remove("brief");
  }

  private async tellsOfRefusals(): Promise<void> {
    this.driver.refuse("NodeStageVolume", new Refusal("INTERNAL", "the array is on fire"));
    this.driver.refuse("NodePublishVolume", new Refusal("INVALID_ARGUMENT", "no such flavour"));
    await this.node.bindVolume("two", { csi: { driver: DRIVER, volumeHandle: "vol-2" } });
    await this.create("unlucky", "sleep 1000", "two");
    const told = (message: string) => {
      return waitFor(message, async () => {
        const { items } = await this.node.client.of(events).list({ namespace: "default" }, options);
        return items.some((event) => event.reason === "FailedMount" && event.message === message);
      });
    };
    await told(
      'MountVolume.MountDevice failed for volume "two" : rpc error: code = Internal desc = the array is on fire',
    );
    await told('MountVolume.SetUp failed for volume "two" : rpc error: code = InvalidArgument desc = no such flavour');
    await this.node.podIsReady("unlucky");
    await this.remove("unlucky");
  }

  private async tellsWhatTheRuntimeCannotMount(): Promise<void> {
    using cri = this.node.containerd.client();
    const { runtimeName, runtimeVersion } = await cri.version();
    // A newer runtime can do both.
    if (mountsImages(runtimeName, runtimeVersion)) return;
    const waits = (name: string) => {
      return waitFor(`pod ${name} to say why it waits`, async () => {
        const { status } = await this.pods.get("default", name, options);
        const waiting = status?.containerStatuses?.[0]?.state?.waiting;
        return waiting?.message && `${waiting.reason}: ${waiting.message}`;
      });
    };
    const image = { reference: BUSYBOX_IMAGE, pullPolicy: "IfNotPresent" };
    const ofImage = podWith("picture", { containers: [mounting("sleep 1000")], volumes: [{ name: "v", image }] });
    await this.pods.create("default", ofImage, options);
    const noImages = `image volumes are not supported by the container runtime ${runtimeName} ${runtimeVersion}`;
    assert.equal(await waits("picture"), `CreateContainerError: ${noImages}`);
    const volumeMounts = [{ name: "v", mountPath: "/v", readOnly: true, recursiveReadOnly: "Enabled" }];
    const containers = [shell("sleep 1000", { volumeMounts })];
    await this.pods.create(
      "default",
      podWith("still", { containers, volumes: [{ name: "v", emptyDir: {} }] }),
      options,
    );
    assert.equal(
      await waits("still"),
      'CreateContainerConfigError: failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not supported by the runtime',
    );
    await Promise.all([this.remove("picture"), this.remove("still")]);
  }

  private async withdraws(): Promise<void> {
    await this.driver.unregister();
    await waitFor("the driver to be withdrawn", async () => {
      const { spec } = await this.node.client.of(csiNodes).get("", NODE_NAME, options);
      return spec.drivers.length === 0;
    });
    await this.create("orphan", "sleep 1000", "two");
    const message = `MountVolume.MountDevice failed for volume "two" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${DRIVER} not found in the list of registered CSI drivers`;
    await waitFor("the missing driver to be told", async () => {
      const { items } = await this.node.client.of(events).list({ namespace: "default" }, options);
      return items.some((event) => event.message === message);
    });
    // It holds nothing, so it can go without the driver.
    await this.remove("orphan");
  }

  private async leavesNothingBehind(): Promise<void> {
    const plugins = join(this.node.rootDir, "plugins", "kubernetes.io", "csi");
    const left = await waitFor("everything to be unmounted", async () => {
      const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
      const found = mounts.filter((line) => line.includes(plugins) || line.includes(join(this.node.rootDir, "pods/")));
      const files = await readdir(plugins, { recursive: true });
      const data = files.filter((name) => name.endsWith("vol_data.json") || name.endsWith("globalmount"));
      return found.length + data.length === 0 && { found, data };
    });
    assert.deepEqual(left, { found: [], data: [] });
    assert.deepEqual(await readdir(join(this.node.rootDir, "pods")), []);
  }

  private async driverObject(spec: CSIDriverSpec): Promise<void> {
    await this.node.client.of(csiDrivers).create("", { metadata: { name: DRIVER }, spec }, options);
  }

  /** What an attacher does. */
  private async attach(volume: string, handle: string, attachmentMetadata: Record<string, string>): Promise<void> {
    const attachments = this.node.client.of(volumeAttachments);
    const metadata = { name: attachmentName({ driver: DRIVER, handle }, NODE_NAME) };
    const spec = { attacher: DRIVER, nodeName: NODE_NAME, source: { persistentVolumeName: volume } };
    const made = await attachments.create("", { metadata, spec }, options);
    await attachments.updateStatus({ ...made, status: { attached: true, attachmentMetadata } }, options);
  }

  private async create(name: string, script: string, claim: string, securityContext: object = {}): Promise<void> {
    const volumes = [{ name: "v", persistentVolumeClaim: { claimName: claim } }];
    const spec = { containers: [mounting(script)], volumes, securityContext };
    await this.pods.create("default", podWith(name, spec), options);
  }

  private async remove(name: string): Promise<void> {
    await this.pods.delete("default", name, {}, options);
    await waitFor(`pod ${name} to be gone`, () => {
      return this.pods.get("default", name, options).then(
        () => false,
        (error) => isNotFound(error),
      );
    });
  }

  private written(volumeId: string): Promise<string> {
    return readFile(join(this.driver.folder(volumeId), "log"), "utf8");
  }
}

function podWith(name: string, spec: Omit<NonNullable<Pod["spec"]>, "nodeName">) {
  return { metadata: { name }, spec: { nodeName: NODE_NAME, terminationGracePeriodSeconds: 1, ...spec } };
}

function shell(script: string, more: object) {
  return { name: "c", image: BUSYBOX_IMAGE, command: ["sh", "-c", script], ...more };
}

function mounting(script: string) {
  return shell(script, { volumeMounts: [{ name: "v", mountPath: "/v" }] });
}
