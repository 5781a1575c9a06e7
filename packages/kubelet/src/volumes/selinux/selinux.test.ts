// Which labels volumes are mounted with, which the runtime gives to files, and how the node's policy is read.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { Volume } from "@skiff/api/types.ts";
import { sampleContainer, samplePod } from "../../testing/sample-pods.ts";
import { mountOptions } from "../mounts.ts";
import { accessModeLabel, contextOption, mountLabel } from "./mount-label.ts";
import { isRelabelled } from "./relabel.ts";
import { fileLabel, parseFileContext, readSelinuxHost } from "./selinux-host.ts";

const HOST = { fileLabel: (options: object) => fileLabel("system_u:object_r:container_file_t:s0", options) };
const RWOP = { isPersistent: true, accessModes: ["ReadWriteOncePod"], isSupported: true };
const LABEL = "system_u:object_r:container_file_t:s0:c1,c2";

function container(name: string, level?: string, mounts = true) {
  const volumeMounts = mounts ? [{ name: "v", mountPath: "/v" }] : [];
  return sampleContainer(name, { volumeMounts, ...(level ? { securityContext: { seLinuxOptions: { level } } } : {}) });
}

test("mountLabel takes the label of all containers that mount the volume, their own or the pod's", () => {
  const pod = samplePod({ containers: [container("a", "s0:c1,c2"), container("b", "s0:c9", false)] });
  assert.deepEqual(mountLabel(pod, "v", RWOP, HOST), { label: LABEL });
  const shared = samplePod({
    initContainers: [container("i")],
    containers: [container("a", "s0:c1,c2")],
    securityContext: { seLinuxOptions: { level: "s0:c1,c2" } },
  });
  assert.deepEqual(mountLabel(shared, "v", RWOP, HOST), { label: LABEL });
  assert.deepEqual(mountLabel(samplePod({ containers: [container("a")] }), "v", RWOP, HOST), { label: "" });
});

test("mountLabel finds a problem in containers that differ, unless the driver mounts no labels", () => {
  const pod = samplePod({ containers: [container("a", "s0:c1"), container("b", "s0:c2")] });
  const base = "system_u:object_r:container_file_t";
  assert.deepEqual(mountLabel(pod, "v", RWOP, HOST), {
    label: "",
    problem: `multiple SELinux labels found: ${base}:s0:c1,${base}:s0:c2`,
  });
  assert.deepEqual(mountLabel(pod, "v", { ...RWOP, isSupported: false }, HOST), { label: "" });
});

test("mountLabel leaves volumes alone that may be shared, and pods that want files labelled", () => {
  const pod = samplePod({ containers: [container("a", "s0:c1,c2")] });
  const label = (more: object, of = pod) => mountLabel(of, "v", { ...RWOP, ...more }, HOST).label;
  assert.equal(label({ accessModes: ["ReadWriteOnce"] }), "");
  assert.equal(label({ accessModes: ["ReadWriteOncePod", "ReadWriteOnce"] }), "");
  assert.equal(label({ isPersistent: false }), "");
  assert.equal(label({}), LABEL);
  const spec = { ...pod.spec, securityContext: { seLinuxChangePolicy: "Recursive" } };
  assert.equal(label({}, samplePod(spec)), "");
});

test("fileLabel is a runtime's: user and level of the process, the rest of the policy", () => {
  const base = "system_u:object_r:container_file_t:s0";
  assert.equal(
    fileLabel(base, { user: "u", role: "r", type: "t", level: "s0:c1" }),
    "u:object_r:container_file_t:s0:c1",
  );
  assert.equal(fileLabel(base, { type: "t" }), "");
  assert.equal(fileLabel("", { level: "s0" }), "");
  assert.equal(contextOption(LABEL), `context="${LABEL}"`);
});

test("readSelinuxHost goes by the kernel and reads the policy's contexts", async () => {
  const root = await mkdtemp(join(tmpdir(), "skiff-selinux-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(root, { recursive: true }));
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  assert.equal(await readSelinuxHost(root), undefined);
  await write("sys/fs/selinux/enforce", "1");
  await write("proc/self/attr/current", "kernel\0");
  assert.equal(await readSelinuxHost(root), undefined);
  await write("proc/self/attr/current", "system_u:system_r:init_t:s0\0");
  assert.equal((await readSelinuxHost(root))?.fileLabel({ level: "s0:c1" }), "");
  await write("etc/selinux/config", "# x\nSELINUX=enforcing\nSELINUXTYPE=mls\n");
  const contexts = 'process = "system_u:system_r:p_t:s0"\nfile = "system_u:object_r:f_t:s0"\nro_file="x:y:z:s0"\n';
  await write("etc/selinux/mls/contexts/lxc_contexts", contexts);
  assert.equal((await readSelinuxHost(root))?.fileLabel({ level: "s0:c1" }), "system_u:object_r:f_t:s0:c1");
  await write("usr/share/containers/selinux/contexts", "file = system_u:object_r:g_t:s0\n");
  assert.equal((await readSelinuxHost(root))?.fileLabel({ level: "s0:c1" }), "system_u:object_r:g_t:s0:c1");
  assert.equal(parseFileContext("process = a"), "");
});

test("isRelabelled spares the host's own files, file servers' and what is mounted with a label", () => {
  const judge = (volume: Omit<Volume, "name">, path = "", hasLabels = false) =>
    isRelabelled({ name: "v", ...volume }, path, hasLabels);
  for (const own of [{ configMap: {} }, { secret: {} }, { downwardAPI: {} }, { projected: {} }, { emptyDir: {} }]) {
    assert.equal(judge(own), true);
  }
  assert.equal(judge({ hostPath: { path: "/data" } }, "/data", true), false);
  assert.equal(judge({ nfs: { server: "s", path: "/" } }, "/k/pods/u/volumes/kubernetes.io~nfs/v", true), false);
  const claim = { persistentVolumeClaim: { claimName: "c" } };
  const path = "/k/pods/u/volumes/kubernetes.io~csi/pv/mount";
  assert.equal(judge(claim, path, true), true);
  assert.equal(judge(claim, path, false), false);
  assert.equal(judge(claim, "/data", true), false);
  assert.equal(judge({ persistentVolumeClaim: { claimName: "c", readOnly: true } }, path, true), false);
});

test("mountOptions are those of the topmost mount and its file system", () => {
  const table = [
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,seclabel,errors=remount-ro",
    "22 21 0:5 / /k/a\\040b rw,noatime - tmpfs tmpfs rw",
    "23 22 0:6 / /k/a\\040b rw - ext4 /dev/sdb rw,seclabel",
  ].join("\n");
  assert.deepEqual(mountOptions(table, "/k/a b"), ["rw", "rw", "seclabel"]);
  assert.deepEqual(mountOptions(table, "/nowhere"), []);
});

test("accessModeLabel is upstream's short name", () => {
  const label = (...accessModes: string[]) => accessModeLabel({ ...RWOP, accessModes });
  assert.deepEqual([label("ReadWriteOncePod"), label("ReadOnlyMany", "ReadWriteOnce")], ["RWOP", "RWO"]);
  assert.equal(accessModeLabel({ ...RWOP, isPersistent: false }), "inline");
});
