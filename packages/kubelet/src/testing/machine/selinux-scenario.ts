// SELinux on a kernel that has it, with Debian's policy and permissive: labels of processes, and of the files made for them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configMaps } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { PodBed } from "./pod-bed.ts";

const PROCESS = "system_u:system_r:svirt_t";
const FILE = "system_u:object_r:svirt_image_t";
const options = { signal: new AbortController().signal };
const mounts = [
  { name: "data", mountPath: "/data" },
  { name: "cfg", mountPath: "/cfg" },
  { name: "host", mountPath: "/host" },
];

/** The policy comes first: containerd looks for it when it starts. */
export default async (netns: string) => {
  await loadPolicy();
  await PodBed.run(netns, [labelsByPod, labelsByContainer, drawsItsOwn, leavesThePrivileged]);
};

/** Debian's policy has no types for containers; those of virtual machines are meant for the same. */
const CONTEXTS = [`process = "${PROCESS}:s0"`, `file = "${FILE}:s0"`, `ro_file = "${FILE}:s0"`, ""].join("\n");

async function loadPolicy(): Promise<void> {
  if (existsSync("/sys/fs/selinux/enforce")) return;
  await commandOutput("mount", ["-t", "selinuxfs", "selinuxfs", "/sys/fs/selinux"]);
  await writeFile("/etc/selinux/config", "SELINUX=permissive\nSELINUXTYPE=default\n");
  await writeFile("/etc/selinux/default/contexts/lxc_contexts", CONTEXTS);
  await commandOutput("load_policy", []);
}

/** One label for all that the pod is and has, but for the host's files. */
async function labelsByPod(bed: PodBed): Promise<void> {
  const data = { metadata: { name: "cfg" }, data: { word: "hi" } };
  await bed.node.client.of(configMaps).create("default", data, options);
  await bed.kubelet();
  const host = join(bed.node.containerd.dir, "host");
  await mkdir(host);
  const before = await labelOf(host);
  const spec = { securityContext: { seLinuxOptions: { level: "s0:c10,c20" } }, volumes: volumesWith(host) };
  await bed.create("labelled", { volumeMounts: mounts }, spec);
  const pod = await bed.ready("labelled");
  assert.equal(await processLabel(bed, pod), `${PROCESS}:s0:c10,c20`);
  const label = `${FILE}:s0:c10,c20`;
  const folder = join(bed.node.rootDir, "pods", pod.metadata.uid ?? "");
  assert.equal(await labelOf(join(folder, "volumes/kubernetes.io~empty-dir/data")), label);
  assert.equal(await labelOf(join(folder, "volumes/kubernetes.io~configmap/cfg/..data/word")), label);
  assert.equal(await labelOf(join(folder, "etc-hosts")), label);
  assert.equal(await labelOf(host), before);
  await bed.remove("labelled");
}

async function labelsByContainer(bed: PodBed): Promise<void> {
  const spec = { securityContext: { seLinuxOptions: { level: "s0:c10,c20" } } };
  await bed.create("mixed", { securityContext: { seLinuxOptions: { level: "s0:c30" } } }, spec);
  assert.equal(await processLabel(bed, await bed.ready("mixed")), `${PROCESS}:s0:c30`);
  await bed.remove("mixed");
}

/** Who asks for nothing shares a label with its pod alone. */
async function drawsItsOwn(bed: PodBed): Promise<void> {
  const labels = [];
  for (const name of ["one", "two"]) {
    await bed.create(name, {});
    labels.push(await processLabel(bed, await bed.ready(name)));
  }
  for (const label of labels) assert.match(label, new RegExp(`^${PROCESS}:s0:c\\d+,c\\d+$`));
  assert.notEqual(labels[0], labels[1]);
  await bed.remove("one", "two");
}

async function leavesThePrivileged(bed: PodBed): Promise<void> {
  await bed.create("privileged", { securityContext: { privileged: true } });
  assert.doesNotMatch(await processLabel(bed, await bed.ready("privileged")), /svirt_t/);
  await bed.remove("privileged");
}

function volumesWith(path: string) {
  return [
    { name: "data", emptyDir: {} },
    { name: "cfg", configMap: { name: "cfg" } },
    { name: "host", hostPath: { path } },
  ];
}

async function processLabel(bed: PodBed, pod: Pod): Promise<string> {
  return (await bed.processFile(pod, "attr/current")).replace(/\0/g, "").trim();
}

async function labelOf(path: string): Promise<string> {
  return (await commandOutput("stat", ["--format=%C", path])).trim();
}
