// CSI volumes against a real driver on a real socket, with the API's objects in memory; needs root for the mounts.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { notFound } from "@skiff/api/errors.ts";
import { csiDrivers } from "@skiff/api/resource-ref.ts";
import type { CSIDriverSpec, CSINode, PersistentVolumeSpec, Pod, VolumeAttachmentStatus } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CsiDriverOptions } from "@skiff/testkit/csi/csi-driver.ts";
import { CsiDriver } from "@skiff/testkit/csi/csi-driver.ts";
import { Refusal } from "@skiff/testkit/csi/grpc-server.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { PodPaths } from "../../pod-paths.ts";
import { sampleContainer, sampleMeta, samplePod } from "../../testing/sample-pods.ts";
import { unmountTree } from "../mounts.ts";
import type { SelinuxHost } from "../selinux/selinux-host.ts";
import type { CsiVolume } from "./csi-source.ts";
import { inlineCsiVolume, persistentCsiVolume, uniqueName } from "./csi-source.ts";
import { Csi } from "./index.ts";
import { attachmentName } from "./volume-data.ts";
import { VolumesInUse } from "./volumes-in-use.ts";

const DRIVER = "unit.csi.example.org";
const { signal } = new AbortController();

/** One node's CSI over a scratch folder; a new `csi` is a kubelet that was restarted. */
class Bench implements AsyncDisposable {
  readonly dir: string;
  readonly driver: CsiDriver;
  readonly inUse = new VolumesInUse();
  readonly warnings: string[] = [];
  /** What the clock is to do later. */
  readonly later = new Set<() => void>();
  /** By plural and name. */
  readonly objects = new Map<string, object>();
  csi: Csi;
  metrics = new MetricsRegistry();
  private readonly selinux: SelinuxHost | undefined;
  private skippedMs = 0;

  private constructor(dir: string, driver: CsiDriver, selinux?: SelinuxHost) {
    this.selinux = selinux;
    this.dir = dir;
    this.driver = driver;
    this.objects.set("nodes/n1", { metadata: sampleMeta("n1"), spec: {} });
    this.csi = this.restarted();
  }

  static async start(
    spec: CSIDriverSpec,
    { selinux, ...options }: Partial<CsiDriverOptions> & { selinux?: SelinuxHost } = {},
  ): Promise<Bench> {
    const dir = await mkdtemp(join(tmpdir(), "skiff-csi-"));
    const storage = join(dir, "storage");
    const driver = await CsiDriver.start({ name: DRIVER, kubeletRoot: dir, storage, nodeId: "n1", ...options });
    const bench = new Bench(dir, driver, selinux);
    bench.objects.set(`csidrivers/${DRIVER}`, { metadata: sampleMeta(DRIVER), spec });
    await bench.register();
    return bench;
  }

  async register(): Promise<void> {
    const { endpoint } = this.driver;
    const plugin = { type: "CSIPlugin", name: DRIVER, endpoint, supportedVersions: ["1.0.0"] };
    await this.csi.drivers.register(plugin, signal);
  }

  restarted(): Csi {
    const clock: Clock = {
      ...realClock,
      monotonic: () => this.skippedMs,
      after: (_ms, fn) => {
        this.later.add(fn);
        return { [Symbol.dispose]: () => void this.later.delete(fn) };
      },
    };
    this.metrics = new MetricsRegistry();
    this.csi = new Csi({
      nodeName: "n1",
      metrics: this.metrics,
      selinux: this.selinux,
      client: this.client(),
      paths: new PodPaths(this.dir, join(this.dir, "logs")),
      tokens: { grant: async (_pod, audience) => ({ token: `for ${audience}`, expirationTimestamp: "later" }) },
      events: { pod: (_pod, _type, _reason, message) => void this.warnings.push(message) },
      inUse: this.inUse,
      clock,
      log: silentLogger(),
      node: () => ({ metadata: sampleMeta("n1"), spec: {}, status: { volumesInUse: [...(this.inUse.list() ?? [])] } }),
    });
    this.inUse.loaded();
    return this.csi;
  }

  skip(ms: number): void {
    this.skippedMs += ms;
  }

  setUp(uid: string, volume: CsiVolume, fsGroup?: number): Promise<string> {
    return this.csi.volumes.setUp(podOf(uid, fsGroup), "v", volume, signal);
  }

  /** For a pod whose container has these options. */
  setUpLabelled(uid: string, volume: CsiVolume, level: string, policy = "MountOption"): Promise<string> {
    const container = sampleContainer("c", { volumeMounts: [{ name: "v", mountPath: "/v" }] });
    const securityContext = { seLinuxOptions: { level }, seLinuxChangePolicy: policy };
    return this.csi.volumes.setUp(
      samplePod({ containers: [container], securityContext }, { uid }),
      "v",
      volume,
      signal,
    );
  }

  /** What tells of volumes beside those of pods. */
  async traces(): Promise<string[]> {
    const found = await readdir(join(this.dir, "plugins", "kubernetes.io", "csi"), { recursive: true });
    return found.filter((name) => /vol_data|globalmount|pv-/.test(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.csi.drivers.deregister(DRIVER, signal);
    await this.driver[Symbol.asyncDispose]();
    await unmountTree(this.dir);
    await rm(this.dir, { recursive: true });
  }

  private client(): Pick<RestClient, "of"> {
    const of = ({ plural }: { plural: string }) => ({
      get: async (_namespace: string, name: string) => {
        const found = this.objects.get(`${plural}/${name}`);
        if (!found) throw notFound(csiDrivers, name);
        return found;
      },
      create: async (_namespace: string, object: { metadata: { name: string } }) => {
        this.objects.set(`${plural}/${object.metadata.name}`, object);
      },
      update: async (object: { metadata: { name: string } }) => {
        this.objects.set(`${plural}/${object.metadata.name}`, object);
      },
    });
    return { of } as unknown as Pick<RestClient, "of">;
  }
}

function podOf(uid: string, fsGroup?: number): Pod {
  return samplePod(fsGroup === undefined ? {} : { securityContext: { fsGroup } }, { uid });
}

function volumeOf(handle: string, more: Partial<PersistentVolumeSpec> = {}): CsiVolume {
  const csi = { driver: DRIVER, volumeHandle: handle, fsType: "ext4" };
  const spec = { accessModes: ["ReadWriteOnce"], csi, ...more };
  const volume = persistentCsiVolume({ metadata: sampleMeta(`pv-${handle}`), spec }, false);
  assert.ok(volume);
  return volume;
}

const NO_ATTACH = { attachRequired: false };

test("CsiVolumes gives a ReadWriteOncePod volume to one pod at a time", async () => {
  await using bench = await Bench.start(NO_ATTACH);
  const volume = volumeOf("one", { accessModes: ["ReadWriteOncePod"] });
  await bench.setUp("p1", volume);
  const words = "volume uses the ReadWriteOncePod access mode and is already in use by another pod";
  const message = `MountVolume.SetUp failed for volume "pv-one" : ${words}`;
  await assert.rejects(bench.setUp("p2", volume), { message });
  await bench.csi.tearDown.tearDown("p1");
  await bench.setUp("p2", volume);
  const modes = bench.driver.requests("NodePublishVolume").map((request) => request.volumeCapability.accessMode.mode);
  assert.deepEqual(modes, ["SINGLE_NODE_SINGLE_WRITER", "SINGLE_NODE_SINGLE_WRITER"]);
  await bench.csi.tearDown.tearDown("p2");
});

const SELINUX: SelinuxHost = { fileLabel: ({ level }) => (level ? `u:r:t:${level}` : "") };

test("CsiVolumes mounts a ReadWriteOncePod volume with the label of the pod's containers, and not with two", async () => {
  await using bench = await Bench.start({ ...NO_ATTACH, seLinuxMount: true }, { selinux: SELINUX });
  const volume = volumeOf("labelled", { accessModes: ["ReadWriteOncePod"], mountOptions: ["noatime"] });
  await bench.setUpLabelled("p1", volume, "s0:c1,c2");
  const flags = (method: string) =>
    bench.driver.requests(method).map((request) => request.volumeCapability.mount?.mountFlags);
  const labelled = ["noatime", 'context="u:r:t:s0:c1,c2"'];
  assert.deepEqual([...flags("NodeStageVolume"), ...flags("NodePublishVolume")], [labelled, labelled]);
  // The next kubelet finds the label on the disk.
  bench.restarted();
  await bench.register();
  const lists = "unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]";
  const words = 'conflicting SELinux labels of volume pv-labelled: "u:r:t:s0:c1,c2" and "u:r:t:s0:c3,c4"';
  await assert.rejects(bench.setUpLabelled("p2", volume, "s0:c3,c4"), {
    message: `Unable to attach or mount volumes: ${lists}: ${words}`,
  });
  await bench.setUpLabelled("p1", volume, "s0:c3,c4");
  assert.deepEqual(flags("NodePublishVolume").at(-1), labelled, "what is mounted keeps its label");
  const series = `{volume_plugin="kubernetes.io/csi:${DRIVER}",access_mode="RWOP"} 1`;
  const text = bench.metrics.render();
  assert.ok(text.includes(`volume_manager_selinux_volume_context_mismatch_errors_total${series}`), text);
  await bench.csi.tearDown.tearDown("p1");
  await bench.setUpLabelled("p2", volume, "s0:c3,c4");
  assert.deepEqual(flags("NodeStageVolume").at(-1), ["noatime", 'context="u:r:t:s0:c3,c4"']);
  assert.ok(bench.metrics.render().includes(`volume_manager_selinux_volumes_admitted_total${series}`));
  await bench.csi.tearDown.tearDown("p2");
});

test("CsiVolumes mounts without a label what others may share, or whose pod or driver wants it so", async () => {
  await using bench = await Bench.start({ ...NO_ATTACH, seLinuxMount: true }, { selinux: SELINUX });
  const alone = { accessModes: ["ReadWriteOncePod"] };
  await bench.setUpLabelled("p1", volumeOf("shared"), "s0:c1");
  await bench.setUpLabelled("p2", volumeOf("recursive", alone), "s0:c1", "Recursive");
  bench.objects.set(`csidrivers/${DRIVER}`, { metadata: sampleMeta(DRIVER), spec: NO_ATTACH });
  await bench.setUpLabelled("p3", volumeOf("plain", alone), "s0:c1");
  const flags = bench.driver.requests("NodePublishVolume").map((one) => one.volumeCapability.mount?.mountFlags);
  assert.deepEqual(flags, [[], [], []]);
  for (const uid of ["p1", "p2", "p3"]) await bench.csi.tearDown.tearDown(uid);
});

test("CsiVolumes publishes again where the driver asks for it, and goes on when that fails", async () => {
  await using bench = await Bench.start({ ...NO_ATTACH, requiresRepublish: true });
  const volume = volumeOf("fresh");
  const path = await bench.setUp("p1", volume);
  await bench.setUp("p1", volume);
  assert.equal(bench.driver.requests("NodePublishVolume").length, 1, "a flurry of passes is one");
  bench.skip(60_000);
  await bench.setUp("p1", volume);
  assert.equal(bench.driver.requests("NodePublishVolume").length, 2);
  bench.skip(60_000);
  bench.driver.refuse("NodePublishVolume", new Refusal("INTERNAL", "not now"));
  assert.equal(await bench.setUp("p1", volume), path);
  const message = 'MountVolume.SetUp failed for volume "pv-fresh" : rpc error: code = Internal desc = not now';
  assert.deepEqual(bench.warnings, [message]);
  await bench.csi.tearDown.tearDown("p1");
});

test("CsiVolumes leaves groups to a driver that applies them itself", async () => {
  await using bench = await Bench.start(NO_ATTACH, { capabilities: ["STAGE_UNSTAGE_VOLUME", "VOLUME_MOUNT_GROUP"] });
  await bench.setUp("p1", volumeOf("grouped"), 777);
  for (const method of ["NodeStageVolume", "NodePublishVolume"]) {
    assert.equal(bench.driver.requests(method)[0]?.volumeCapability.mount?.volumeMountGroup, "777");
  }
  assert.equal((await stat(bench.driver.folder("grouped"))).gid, 0);
  await bench.csi.tearDown.tearDown("p1");
});

test("CsiVolumes stages nothing for a driver that does not stage", async () => {
  await using bench = await Bench.start(NO_ATTACH, { capabilities: [] });
  await bench.setUp("p1", volumeOf("direct"), 777);
  assert.equal(bench.driver.requests("NodePublishVolume")[0]?.stagingTargetPath, "");
  assert.equal((await stat(bench.driver.folder("direct"))).gid, 777, "the kubelet gives the files to the group");
  await bench.csi.tearDown.tearDown("p1");
  assert.deepEqual(bench.driver.requests("NodeStageVolume"), []);
  assert.deepEqual(bench.driver.requests("NodeUnstageVolume"), []);
});

test("CsiVolumes hides tokens among the secrets where the driver wants them there", async () => {
  const tokenRequests = [{ audience: "vault" }];
  await using bench = await Bench.start({ ...NO_ATTACH, tokenRequests, serviceAccountTokenInSecrets: true });
  await bench.setUp("p1", volumeOf("secret"));
  const [request] = bench.driver.requests("NodePublishVolume");
  const key = "csi.storage.k8s.io/serviceAccount.tokens";
  assert.equal(request?.volumeContext[key], undefined);
  const tokens = JSON.parse(request?.secrets[key] ?? "{}");
  assert.deepEqual(tokens, { vault: { token: "for vault", expirationTimestamp: "later" } });
  await bench.csi.tearDown.tearDown("p1");
});

test("CsiVolumes waits for the attacher and passes its failure on", async () => {
  await using bench = await Bench.start({});
  const volume = volumeOf("far");
  const attachment = (status: VolumeAttachmentStatus) => {
    bench.objects.set(`volumeattachments/${attachmentName(volume, "n1")}`, { metadata: sampleMeta("a"), status });
  };
  attachment({ attached: false, attachError: { message: "no free slot" } });
  const message = 'MountVolume.WaitForAttach failed for volume "pv-far" : no free slot';
  await assert.rejects(bench.setUp("p1", volume), { message });
  assert.deepEqual(bench.inUse.list(), [uniqueName(volume)]);
  attachment({ attached: true, attachmentMetadata: { lun: "7" } });
  await bench.setUp("p1", volume);
  assert.deepEqual(bench.driver.requests("NodePublishVolume")[0]?.publishContext, { lun: "7" });
  await bench.csi.tearDown.tearDown("p1");
  assert.deepEqual(bench.inUse.list(), []);
});

test("CsiDrivers asks anew how many volumes the node takes, as often as the driver's object says", async () => {
  await using bench = await Bench.start({ nodeAllocatableUpdatePeriodSeconds: 10 }, { maxVolumes: 9 });
  const shown = () => (bench.objects.get("csinodes/n1") as CSINode).spec.drivers[0]?.allocatable?.count;
  await bench.csi.drivers.renewCounts(signal);
  bench.driver.maxVolumes = 4;
  await bench.csi.drivers.renewCounts(signal);
  assert.equal(shown(), 9, "not before its time");
  bench.skip(10_000);
  await bench.csi.drivers.renewCounts(signal);
  assert.equal(shown(), 4);
});

test("CsiTearDown lets the pod go when unstaging fails, and tries again until the volume is free", async () => {
  await using bench = await Bench.start({});
  const volume = volumeOf("sticky");
  const status = { attached: true };
  bench.objects.set(`volumeattachments/${attachmentName(volume, "n1")}`, { metadata: sampleMeta("a"), status });
  await bench.setUp("p1", volume);
  bench.driver.refuse("NodeUnstageVolume", new Refusal("INTERNAL", "busy"));
  await bench.csi.tearDown.tearDown("p1");
  assert.deepEqual(bench.inUse.list(), [uniqueName(volume)], "what is staged must not be detached");
  assert.equal(bench.later.size, 1);
  for (const retry of bench.later) retry();
  await waitFor("the volume to be free", () => bench.inUse.list()?.length === 0);
  assert.equal(bench.driver.requests("NodeUnstageVolume").length, 2);
});

test("CsiTearDown ends what an earlier kubelet began, once the driver is back, and no file of the volume is lost", async () => {
  await using bench = await Bench.start(NO_ATTACH);
  await writeFile(join(await bench.setUp("p1", volumeOf("kept")), "file"), "mine");
  const later = bench.restarted();
  await later.adopt();
  const away = `driver name ${DRIVER} not found in the list of registered CSI drivers`;
  await assert.rejects(later.tearDown.tearDown("p1"), { message: new RegExp(away) });
  await bench.register();
  await later.tearDown.tearDown("p1");
  assert.equal(bench.driver.requests("NodeUnstageVolume", "kept").length, 1);
  assert.deepEqual(await readdir(bench.driver.folder("kept")), ["file"]);
  assert.deepEqual(await bench.traces(), []);
  assert.deepEqual(await readdir(join(bench.dir, "pods", "p1", "volumes", "kubernetes.io~csi")), []);
});

const withoutLoop = !existsSync("/dev/loop-control") && "this machine has no loop devices";

test("CsiVolumes hands out devices, and CsiTearDown takes an earlier kubelet's back", {
  skip: withoutLoop,
}, async () => {
  await using bench = await Bench.start(NO_ATTACH);
  const device = await bench.setUp("p1", volumeOf("raw", { volumeMode: "Block" }));
  assert.ok((await stat(device)).isBlockDevice());
  assert.equal(device, join(bench.dir, "plugins/kubernetes.io/csi/volumeDevices/publish/pv-raw/p1"));
  const locks = async () => (await commandOutput("losetup", ["-a", "-O", "BACK-FILE"])).split("\n").includes(device);
  assert.equal(await locks(), true);
  const later = bench.restarted();
  await bench.register();
  await bench.setUp("p1", volumeOf("raw", { volumeMode: "Block" }));
  await later.tearDown.tearDown("p1");
  assert.equal(await locks(), false);
  assert.equal(bench.driver.requests("NodeUnstageVolume", "raw").length, 1);
  assert.deepEqual(await bench.traces(), []);
  assert.deepEqual(await readdir(join(bench.dir, "pods", "p1", "volumeDevices", "kubernetes.io~csi")), []);
});

test("a driver that hangs keeps no pod from ending, and what it does in the end is undone", async () => {
  await using bench = await Bench.start(NO_ATTACH);
  const volume = volumeOf("slow");
  const release = bench.driver.hold("NodePublishVolume");
  const ended = new AbortController();
  const first = bench.csi.volumes.setUp(podOf("p1"), "v", volume, ended.signal);
  await waitFor("the call", () => bench.driver.requests("NodePublishVolume").length === 1);
  const second = bench.csi.volumes.setUp(podOf("p2"), "v", volume, ended.signal);
  ended.abort(new Error("the pod shall end"));
  await assert.rejects(first, { message: "the pod shall end" });
  await assert.rejects(second, { message: "the pod shall end" });
  const over = bench.csi.tearDown.tearDown("p1");
  release();
  await over;
  const told = bench.driver.calls.map(({ method, request }) => `${method} ${request.targetPath ?? ""}`);
  const target = join(bench.dir, "pods/p1/volumes/kubernetes.io~csi/pv-slow/mount");
  const ends = [`NodePublishVolume ${target}`, `NodeUnpublishVolume ${target}`, "NodeUnstageVolume "];
  assert.deepEqual(told, ["NodeStageVolume ", ...ends], "the second pod's turn came when it was gone");
  assert.deepEqual(await bench.traces(), []);
});

test("CsiVolumes leaves no trace of what the driver refused for good, and a trace of what it may have begun", async () => {
  await using bench = await Bench.start({ ...NO_ATTACH, volumeLifecycleModes: ["Ephemeral"] });
  const volume = inlineCsiVolume(podOf("p1"), { name: "v", csi: { driver: DRIVER } });
  assert.ok(volume);
  bench.driver.refuse("NodePublishVolume", new Refusal("INVALID_ARGUMENT", "never"));
  await assert.rejects(bench.setUp("p1", volume), /code = InvalidArgument desc = never$/);
  const folder = join(bench.dir, "pods", "p1", "volumes", "kubernetes.io~csi");
  assert.deepEqual(await readdir(folder), []);
  bench.driver.refuse("NodePublishVolume", new Refusal("ABORTED", "still at it"));
  await assert.rejects(bench.setUp("p1", volume), /code = Aborted/);
  assert.deepEqual(await readdir(join(folder, "v")), ["vol_data.json"]);
  await bench.csi.tearDown.tearDown("p1");
  assert.equal(bench.driver.requests("NodeUnpublishVolume").length, 1);
});
