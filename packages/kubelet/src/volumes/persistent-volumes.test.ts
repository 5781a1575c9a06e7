// Claims, the volumes behind them, and who owns their files.
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { notFound } from "@skiff/api/errors.ts";
import { runtimeClasses, persistentVolumes as volumesRef } from "@skiff/api/resource-ref.ts";
import type { PersistentVolumeClaim, PersistentVolumeSpec } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { PodPaths } from "../pod-paths.ts";
import { RuntimeClasses } from "../runtime/runtime-classes.ts";
import { sampleContainer, sampleMeta, samplePod } from "../testing/sample-pods.ts";
import { takeOwnership } from "./ownership.ts";
import type { PersistentVolumesDeps } from "./persistent-volumes.ts";
import { PersistentVolumes } from "./persistent-volumes.ts";

const dir = await mkdtemp(join(tmpdir(), "skiff-pv-"));
after(() => rm(dir, { recursive: true }));
const signal = new AbortController().signal;

/** A client that has these objects by plural. */
function clientWith(objects: Readonly<Record<string, unknown>>): Pick<RestClient, "of"> {
  const of = (ref: { plural: string }) => ({
    get: async (_namespace: string, name: string) => {
      const found = objects[ref.plural];
      if (found instanceof Error) throw found;
      if (!found) throw notFound(volumesRef, name);
      return found;
    },
  });
  return { of } as unknown as Pick<RestClient, "of">;
}

const claim: PersistentVolumeClaim = {
  metadata: { ...sampleMeta("data"), uid: "claim-uid" },
  spec: { volumeName: "pv" },
  status: { phase: "Bound" },
};

const mounts = [{ name: "v", mountPath: "/v" }];

function setUp(
  spec: Partial<PersistentVolumeSpec>,
  held: PersistentVolumeClaim = claim,
  ephemeral = false,
  use: "mount" | "device" = "mount",
): Promise<string> {
  const volume = { metadata: sampleMeta("pv"), spec: { claimRef: { uid: "claim-uid" }, ...spec } };
  const client = clientWith({ persistentvolumeclaims: held, persistentvolumes: volume });
  const node = { metadata: { ...sampleMeta("n1"), labels: { disk: "here" } }, spec: {} };
  const csi = () => Promise.reject(new Error("no CSI here"));
  const localDevices = () => Promise.reject(new Error("no devices here"));
  const deps = { client, paths: new PodPaths(dir, dir), node: () => node, csi, localDevices };
  const volumes = new PersistentVolumes(deps);
  const source = ephemeral ? { ephemeral: {} } : { persistentVolumeClaim: { claimName: "data" } };
  const uses = use === "device" ? { volumeDevices: [{ name: "v", devicePath: "/dev/x" }] } : { volumeMounts: mounts };
  return volumes.setUp(samplePod({ containers: [sampleContainer("c", uses)] }), { name: "v", ...source }, signal);
}

test("a claim must be bound to a volume that is bound to it", async () => {
  assert.equal(await setUp({ hostPath: { path: dir, type: "Directory" } }), dir);
  await assert.rejects(
    setUp({}, { ...claim, status: { phase: "Pending" } }),
    /^VolumeError: Unable to attach or mount volumes: unmounted volumes=\[v\], unattached volumes=\[\], failed to process volumes=\[v\]: error processing PVC default\/data: PVC is not bound$/,
  );
  await assert.rejects(setUp({ claimRef: { uid: "other" } }), /does not point to claim.UID claim-uid/);
  await assert.rejects(
    setUp({}, claim, true),
    /PVC default\/web-v was not created for pod default\/web \(pod is not owner\)/,
  );
});

test("a volume is refused on the wrong node, in block mode, and where nothing can mount it", async () => {
  const affinity = (value: string) => ({
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "In", values: [value] }] }] },
  });
  const hostPath = { path: dir };
  assert.equal(await setUp({ hostPath, nodeAffinity: affinity("here") }), dir);
  await assert.rejects(
    setUp({ hostPath, nodeAffinity: affinity("there") }),
    /NodeAffinity check failed for volume "pv" : no matching/,
  );
  await assert.rejects(setUp({ hostPath, volumeMode: "Block" }), /volumeMode Block, but is specified in volumeMounts/);
  await assert.rejects(
    setUp({ hostPath }, claim, false, "device"),
    /volumeMode Filesystem, but is specified in volumeDev/,
  );
  await assert.rejects(setUp({}), /SetUp failed for volume "pv" : no volume plugin/);
  await assert.rejects(setUp({ local: { path: join(dir, "gone") } }), /does not exist/);
  const noDevice = setUp({ local: { path: dir }, volumeMode: "Block" }, claim, false, "device");
  await assert.rejects(
    noDevice,
    /^VolumeError: MapVolume.MapPodDevice failed for volume "pv" : .* is not a block device$/,
  );
});

test("a volume that a pod has stays while the API is away, and is asked for anew by a new pod", async () => {
  const spec = { claimRef: { uid: "claim-uid" }, csi: { driver: "d", volumeHandle: "h" } };
  const volume = { metadata: sampleMeta("pv"), spec };
  const objects: Record<string, unknown> = { persistentvolumeclaims: claim, persistentvolumes: volume };
  const stub = { volumes: { setUp: async () => "/mounted" }, expand: async () => {} };
  const csi = async () => stub as unknown as Awaited<ReturnType<PersistentVolumesDeps["csi"]>>;
  const localDevices = () => Promise.reject(new Error("no devices here"));
  const deps = { client: clientWith(objects), paths: new PodPaths(dir, dir), node: () => undefined, csi, localDevices };
  const volumes = new PersistentVolumes(deps);
  const source = { name: "v", persistentVolumeClaim: { claimName: "data" } };
  const pod = samplePod({ containers: [sampleContainer("c", { volumeMounts: mounts })] });
  assert.equal(await volumes.setUp(pod, source, signal), "/mounted");
  objects.persistentvolumeclaims = new Error("no route");
  assert.equal(await volumes.setUp(pod, source, signal), "/mounted");
  volumes.forget(pod.metadata.uid ?? "");
  await assert.rejects(volumes.setUp(pod, source, signal), /failed to fetch PVC from API server: no route$/);
});

test("a local device is linked for a pod that wants the device itself", async () => {
  const path = join(dir, "device");
  await commandOutput("mknod", [path, "b", "7", "0"]);
  const link = await setUp({ local: { path }, volumeMode: "Block" }, claim, false, "device");
  assert.match(link, /volumeDevices\/kubernetes\.io~local-volume\/pv$/);
  assert.equal(await readlink(link), path);
});

test("takeOwnership gives files to the group, and trusts the root where told to", async () => {
  const root = join(dir, "owned");
  await mkdir(root);
  await writeFile(join(root, "file"), "", { mode: 0o600 });
  await chmod(root, 0o755);
  await takeOwnership(root, { fsGroup: 4321, fsGroupChangePolicy: "OnRootMismatch" });
  const file = await stat(join(root, "file"));
  assert.deepEqual([file.gid, file.mode & 0o777, (await stat(root)).mode & 0o7777], [4321, 0o660, 0o2775]);
  await chmod(join(root, "file"), 0o600);
  await takeOwnership(root, { fsGroup: 4321, fsGroupChangePolicy: "OnRootMismatch" });
  assert.equal((await stat(join(root, "file"))).mode & 0o777, 0o600);
});

test("RuntimeClasses finds handlers and remembers them while the API is away", async () => {
  const objects: Record<string, unknown> = { runtimeclasses: { handler: "kata" } };
  const classes = new RuntimeClasses(clientWith(objects));
  const pod = samplePod({ runtimeClassName: "safe" });
  assert.equal(await classes.handlerOf(samplePod(), signal), "");
  assert.equal(await classes.handlerOf(pod, signal), "kata");
  objects.runtimeclasses = new Error("no route");
  assert.equal(await classes.handlerOf(pod, signal), "kata");
  objects.runtimeclasses = notFound(runtimeClasses, "safe");
  await assert.rejects(classes.handlerOf(pod, signal), /not found/);
});
