// How CSI volumes are described, found, waited for, locked and remembered.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { PersistentVolume, PersistentVolumeSpec, VolumeAttachment } from "@skiff/api/types.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { sampleMeta, samplePod } from "../../testing/sample-pods.ts";
import { figuresOf } from "../claim-stats.ts";
import { notAttached, notProcessed, stepFailed } from "../volume-error.ts";
import { VolumeLocks } from "../volume-locks.ts";
import { attachedWith } from "./attachment.ts";
import { missingLabels } from "./csi-node-object.ts";
import { appliesFsGroup, checkLifecycle, podInfo, volumeCapability } from "./csi-requests.ts";
import type { CsiVolume } from "./csi-source.ts";
import { inlineCsiVolume, persistentCsiVolume, uniqueName } from "./csi-source.ts";
import { pendingCapacity } from "./expand-volume.ts";
import { attachmentName, readVolumeData, volumeDataOf, writeVolumeData } from "./volume-data.ts";
import { VolumesInUse } from "./volumes-in-use.ts";

function persistent(more: Partial<PersistentVolumeSpec> = {}): PersistentVolume {
  const csi = { driver: "d.org", volumeHandle: "h1", fsType: "ext4" };
  return { metadata: sampleMeta("pv"), spec: { accessModes: ["ReadWriteOnce"], csi, ...more } };
}

function csiVolume(more: Partial<PersistentVolumeSpec> = {}): CsiVolume {
  const volume = persistentCsiVolume(persistent(more), false);
  assert.ok(volume);
  return volume;
}

const plain = { singleNodeMultiWriter: false, mountGroup: undefined };

test("volumeCapability maps access modes as far as the driver knows them, and blocks have no file system", () => {
  const mode = (accessMode: string, singleNodeMultiWriter: boolean) => {
    const volume = csiVolume({ accessModes: [accessMode] });
    return volumeCapability(volume, { ...plain, singleNodeMultiWriter }).accessMode.mode;
  };
  assert.equal(mode("ReadWriteOnce", false), "SINGLE_NODE_WRITER");
  assert.equal(mode("ReadWriteOnce", true), "SINGLE_NODE_MULTI_WRITER");
  assert.equal(mode("ReadWriteOncePod", false), "SINGLE_NODE_WRITER");
  assert.equal(mode("ReadWriteOncePod", true), "SINGLE_NODE_SINGLE_WRITER");
  assert.equal(mode("ReadOnlyMany", true), "MULTI_NODE_READER_ONLY");
  assert.equal(mode("ReadWriteMany", false), "MULTI_NODE_MULTI_WRITER");
  const mounted = volumeCapability(csiVolume({ mountOptions: ["noatime"] }), { ...plain, mountGroup: 5 });
  assert.deepEqual(mounted.mount, { fsType: "ext4", mountFlags: ["noatime"], volumeMountGroup: "5" });
  const block = volumeCapability(csiVolume({ volumeMode: "Block" }), plain);
  assert.deepEqual([block.block, block.mount], [{}, undefined]);
});

test("appliesFsGroup follows the driver's policy", () => {
  const rwo = csiVolume();
  assert.equal(appliesFsGroup(rwo, 5), true);
  assert.equal(appliesFsGroup(rwo, undefined, "File"), false);
  assert.equal(appliesFsGroup(rwo, 5, "None"), false);
  assert.equal(appliesFsGroup({ ...rwo, readOnly: true }, 5, "File"), false);
  assert.equal(appliesFsGroup({ ...rwo, fsType: "" }, 5), false);
  assert.equal(appliesFsGroup({ ...rwo, fsType: "" }, 5, "File"), true);
  assert.equal(appliesFsGroup(csiVolume({ accessModes: ["ReadWriteMany"] }), 5), false);
  assert.equal(appliesFsGroup(csiVolume({ accessModes: ["ReadWriteOncePod"] }), 5), true);
});

test("checkLifecycle wants inline volumes to be announced, and podInfo tells only who asks", () => {
  const inline = inlineCsiVolume(samplePod(), { name: "v", csi: { driver: "d.org" } });
  assert.ok(inline);
  const refusal = 'volume mode "Ephemeral" not supported by driver d.org';
  assert.throws(() => checkLifecycle(inline, undefined), { message: `${refusal} (no CSIDriver object)` });
  assert.throws(() => checkLifecycle(inline, {}), { message: `${refusal} (only supports ["Persistent"])` });
  checkLifecycle(inline, { volumeLifecycleModes: ["Ephemeral"] });
  checkLifecycle(csiVolume(), undefined);
  assert.deepEqual(podInfo(samplePod(), inline, {}), {});
  const told = podInfo(samplePod({ serviceAccountName: "sa" }), inline, { podInfoOnMount: true });
  assert.equal(told["csi.storage.k8s.io/serviceAccount.name"], "sa");
  assert.equal(told["csi.storage.k8s.io/ephemeral"], "true");
});

test("names of volumes, attachments and inline handles are upstream's", () => {
  assert.equal(uniqueName(csiVolume()), "kubernetes.io/csi/d.org^h1");
  // The sums of "h1d.orgn1", and of the pod's UID with the volume's name.
  assert.equal(
    attachmentName(csiVolume(), "n1"),
    "csi-9b0cc2e7c9ecf27fbf65969e7fde6ebb8ff0b623635725938514f54eac7ef456",
  );
  const inline = inlineCsiVolume(samplePod(), { name: "v", csi: { driver: "d.org" } });
  assert.equal(inline?.handle, "csi-e4c9e8cccea7e32b42970e1efdf24a6135cd3b539c6939d81d59944849682f64");
});

test("attachedWith tells attached, failed and under way apart", () => {
  const attachment = (status?: VolumeAttachment["status"], metadata = sampleMeta("a")): VolumeAttachment => {
    const spec = { attacher: "d.org", nodeName: "n1", source: { persistentVolumeName: "pv" } };
    return { metadata, spec, status };
  };
  assert.equal(attachedWith(attachment()), undefined);
  assert.deepEqual(attachedWith(attachment({ attached: true })), {});
  assert.deepEqual(attachedWith(attachment({ attached: true, attachmentMetadata: { a: "1" } })), { a: "1" });
  assert.throws(() => attachedWith(attachment({ attached: false, attachError: { message: "full" } })), /^Error: full$/);
  const going = { ...sampleMeta("a"), deletionTimestamp: "2026-01-01T00:00:00Z" };
  assert.throws(() => attachedWith(attachment({ attached: true }, going)), /being deleted/);
});

test("missingLabels adds what is not there and refuses to move the node", () => {
  assert.deepEqual(missingLabels({ zone: "z1" }, { zone: "z1", rack: "r1" }), { rack: "r1" });
  assert.throws(
    () => missingLabels({ zone: "z1" }, { zone: "z2" }),
    /detected topology value collision: driver reported "zone":"z2" but existing label is "zone":"z1"/,
  );
});

test("pendingCapacity is what the volume has and the claim does not say", () => {
  const pending = (held: string, told?: string) => {
    const claim = { metadata: sampleMeta("c"), spec: {}, status: told ? { capacity: { storage: told } } : {} };
    return pendingCapacity({ claim, persistent: persistent({ capacity: { storage: held } }) });
  };
  assert.equal(pending("2Gi", "1Gi"), "2Gi");
  assert.equal(pending("1Gi", "1024Mi"), undefined);
  assert.equal(pending("1Gi"), undefined);
});

test("figuresOf shows what the driver measured, and its health only where it tells of it", () => {
  const bytes = { unit: "BYTES", total: "10", used: "4", available: "6" } as const;
  const condition = { abnormal: true, message: "hot" };
  const shown = { time: "t", availableBytes: 6, capacityBytes: 10, usedBytes: 4 };
  assert.deepEqual(figuresOf({ usage: [bytes], volumeCondition: condition }, false, "t"), shown);
  const healthy = figuresOf({ usage: [bytes], volumeCondition: condition }, true, "t");
  assert.deepEqual(healthy, { ...shown, volumeHealthStats: { abnormal: true } });
});

test("volume data is read back, and a broken file is none", async () => {
  const dir = await mkdtemp(join(tmpdir(), "skiff-voldata-"));
  try {
    assert.equal(await readVolumeData(dir), undefined);
    await writeVolumeData(dir, volumeDataOf(csiVolume(), "n1"));
    assert.deepEqual(await readVolumeData(dir), {
      specVolID: "pv",
      volumeHandle: "h1",
      driverName: "d.org",
      nodeName: "n1",
      attachmentID: attachmentName(csiVolume(), "n1"),
      volumeLifecycleMode: "Persistent",
    });
    await writeFile(join(dir, "vol_data.json"), '{"driverName":');
    assert.equal(await readVolumeData(dir), undefined);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("VolumeLocks does one thing at a time for a volume, also after a failure, and holds no other up", async () => {
  const locks = new VolumeLocks();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = locks.run("a", async () => {
    order.push("first begins");
    await gate.promise;
    order.push("first ends");
    throw new Error("failed");
  });
  const second = locks.run("a", async () => order.push("second"));
  await locks.run("b", async () => order.push("other"));
  gate.resolve();
  await assert.rejects(first, /failed/);
  await second;
  assert.deepEqual(order, ["first begins", "other", "first ends", "second"]);
});

test("VolumesInUse keeps a volume for as long as anyone holds it, and waits until the node says so", async () => {
  const inUse = new VolumesInUse();
  let changes = 0;
  inUse.onChange = () => changes++;
  inUse.hold("v", "p1");
  assert.equal(inUse.list(), undefined, "nothing is told before the disk was read");
  inUse.loaded();
  inUse.hold("v", "p2");
  inUse.letGoAll("p1");
  assert.deepEqual(inUse.list(), ["v"]);
  inUse.letGo("v", "p2");
  assert.deepEqual([inUse.list(), changes], [[], 2]);
  const clock = new FakeClock();
  let reported: string[] = [];
  const node = () => ({ metadata: sampleMeta("n1"), spec: {}, status: { volumesInUse: reported } });
  let added = false;
  const adding = inUse.add("w", "p1", { node, clock }, new AbortController().signal).then((told) => {
    added = true;
    return told;
  });
  await clock.advance(100);
  assert.equal(added, false);
  reported = ["w"];
  await clock.advance(100);
  assert.equal(await adding, true);
  const untold = inUse.add("x", "p1", { node, clock }, new AbortController().signal);
  for (let waitedMs = 0; waitedMs <= 120_000; waitedMs += 100) await clock.advance(100);
  assert.equal(await untold, false);
});

test("failures of volumes have upstream's words and reasons", () => {
  const failed = stepFailed("MountVolume.SetUp", "pv", new Error("no"));
  assert.deepEqual([failed.message, failed.reason], ['MountVolume.SetUp failed for volume "pv" : no', "FailedMount"]);
  assert.equal(stepFailed("MountVolume.MountDevice", "pv", failed), failed, "the step that failed first is named");
  assert.equal(stepFailed("MapVolume.SetUpDevice", "pv", "no").reason, "FailedMapVolume");
  assert.match(
    notProcessed("v", new Error("no")).message,
    /unattached volumes=\[\], failed to process volumes=\[v\]: no$/,
  );
  assert.match(notAttached("v").message, /unmounted volumes=\[v\], unattached volumes=\[v\], .* timed out waiting/);
});
