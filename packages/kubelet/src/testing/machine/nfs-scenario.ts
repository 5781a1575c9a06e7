// A real NFS server in the kernel: volumes of both protocol versions, and what becomes of pods when it goes away.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { persistentVolumeClaims, persistentVolumes } from "@skiff/api/resource-ref.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { PodBed } from "./pod-bed.ts";

const SHARE = "/srv/skiff-nfs";
const SERVER = "127.0.0.1";
const volumeMounts = [{ name: "v", mountPath: "/v" }];
const options = { signal: new AbortController().signal };

export default (netns: string) =>
  PodBed.run(netns, [serves, mountsInline, mountsClaims, tellsWhatIsWrong, losesTheServer, endsTheTry]);

/** Debian's packages nfs-kernel-server and rpcbind are installed. With threads of its own in the test's network namespace. Version 4 sees the share as its root. */
async function serves(bed: PodBed): Promise<void> {
  await mkdir(SHARE, { recursive: true });
  await commandOutput("mount", ["-t", "tmpfs", "skiff-nfs", SHARE]);
  await mkdir("/var/lib/nfs/v4recovery", { recursive: true });
  for (const file of ["etab", "rmtab", "xtab"]) await writeFile(`/var/lib/nfs/${file}`, "");
  await commandOutput("mount", ["-t", "nfsd", "nfsd", "/proc/fs/nfsd"]);
  await commandOutput("rpcbind", ["-w"]);
  await writeFile("/etc/exports", `${SHARE} *(rw,no_root_squash,no_subtree_check,insecure,fsid=0)\n`);
  await commandOutput("exportfs", ["-a"]);
  await commandOutput("rpc.nfsd", ["--grace-time", "10", "--lease-time", "10", "4"]);
  await commandOutput("rpc.mountd", []);
  await writeFile(`${SHARE}/given`, "from the server");
  await bed.kubelet();
}

async function mountsInline(bed: PodBed): Promise<void> {
  await inline(bed, "inline", { path: "/" });
  const pod = await bed.ready("inline");
  assert.match(await bed.sh(pod, "cat /proc/mounts"), / \/v nfs4 rw,\S*vers=4\.2/);
  assert.equal(await bed.sh(pod, "cat /v/given; echo from the pod > /v/made"), "from the server");
  assert.equal(await readFile(`${SHARE}/made`, "utf8"), "from the pod\n");
  await inline(bed, "reader", { path: "/", readOnly: true });
  const reader = await bed.ready("reader");
  assert.match(await bed.sh(reader, "cat /v/made; touch /v/x"), /^from the pod\n.*Read-only file system/s);
  const mounts = await readFile("/proc/self/mounts", "utf8");
  assert.match(mounts, new RegExp(`pods/${reader.metadata.uid}/volumes/kubernetes.io~nfs/v nfs4 ro,`));
  await bed.remove("reader");
}

async function mountsClaims(bed: PodBed): Promise<void> {
  await bind(bed, "claimed", {
    nfs: { server: SERVER, path: SHARE },
    mountOptions: ["nfsvers=3", "nolock", "noatime"],
  });
  await bed.create(
    "claimed",
    { volumeMounts },
    { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "claimed" } }] },
  );
  const pod = await bed.ready("claimed");
  assert.match(await bed.sh(pod, "cat /proc/mounts"), / \/v nfs rw,\S*noatime\S*vers=3/);
  assert.equal(await bed.sh(pod, "cat /v/made; echo more > /v/third"), "from the pod");
  assert.equal(await readFile(`${SHARE}/third`, "utf8"), "more\n");
  const figures = await waitFor("the volume's figures", async () => (await volumeOf(bed, "claimed")) ?? false);
  assert.deepEqual(figures.pvcRef, { name: "claimed", namespace: "default" });
  assert.ok(figures.capacityBytes > 0);
  await bed.remove("claimed");
}

async function tellsWhatIsWrong(bed: PodBed): Promise<void> {
  await inline(bed, "lost", { path: "/none" });
  await bed.eventIs("lost", /FailedMount: MountVolume.SetUp failed for volume "v" .*access denied by server/s);
  await bed.remove("lost");
}

/** A pod that is deleted goes although nothing answers for its files any more. */
async function losesTheServer(bed: PodBed): Promise<void> {
  await commandOutput("rpc.nfsd", ["0"]);
  const pod = await bed.ready("inline");
  await bed.ask("/stats/summary");
  await bed.pods.delete("default", "inline", {}, options);
  await bed.gone("inline");
  await waitFor("its mount to be gone", async () => {
    return !(await readFile("/proc/self/mounts", "utf8")).includes(pod.metadata.uid ?? "");
  });
  await bed.ask("/stats/summary");
}

/** mount(8) would try for minutes. */
async function endsTheTry(bed: PodBed): Promise<void> {
  await inline(bed, "early", { path: "/" });
  await waitFor("the mount to be tried", async () =>
    (await commandOutput("ps", ["-eo", "args"])).includes("mount.nfs"),
  );
  await bed.pods.delete("default", "early", {}, options);
  await bed.gone("early");
  assert.ok(!(await isTried()), "mount.nfs still tries");
}

async function isTried(): Promise<boolean> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const names = ids.map((id) => readFile(`/proc/${id}/comm`, "utf8").catch(() => ""));
  return (await Promise.all(names)).some((name) => name.startsWith("mount.nfs"));
}

async function inline(bed: PodBed, name: string, nfs: { path: string; readOnly?: boolean }): Promise<void> {
  await bed.create(name, { volumeMounts }, { volumes: [{ name: "v", nfs: { server: SERVER, ...nfs } }] });
}

/** A volume and a claim for each other, as the controller leaves them. */
async function bind(bed: PodBed, name: string, source: object): Promise<void> {
  const { client } = bed.node;
  const shape = { accessModes: ["ReadWriteMany"], storageClassName: "" };
  const claim = await client
    .of(persistentVolumeClaims)
    .create(
      "default",
      { metadata: { name }, spec: { ...shape, volumeName: name, resources: { requests: { storage: "1Mi" } } } },
      options,
    );
  const claimRef = { namespace: "default", name, uid: claim.metadata.uid ?? "" };
  const spec = { ...shape, ...source, capacity: { storage: "1Mi" }, claimRef };
  await client.of(persistentVolumes).create("", { metadata: { name }, spec }, options);
  const bound = { status: { phase: "Bound" } };
  await client.of(persistentVolumeClaims).patch("default", name, "merge", bound, { ...options, subresource: "status" });
  await client.of(persistentVolumes).patch("", name, "merge", bound, { ...options, subresource: "status" });
}

interface VolumeFigures {
  readonly pvcRef?: object;
  readonly capacityBytes: number;
}

async function volumeOf(bed: PodBed, pod: string): Promise<VolumeFigures | undefined> {
  const { pods } = JSON.parse(await bed.ask("/stats/summary")) as {
    pods: { podRef: { name: string }; volume?: (VolumeFigures & { name: string })[] }[];
  };
  return pods.find(({ podRef }) => podRef.name === pod)?.volume?.find(({ name, pvcRef }) => name === "v" && pvcRef);
}
