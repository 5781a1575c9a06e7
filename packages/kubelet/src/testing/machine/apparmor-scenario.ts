// AppArmor on a kernel that has it: the profile that every container's process runs under, and one that is not there.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { PodBed } from "./pod-bed.ts";

const SECURITY = "/sys/kernel/security";
const DEFAULT = "cri-containerd.apparmor.d (enforce)";
const PROFILE = "skiff-test-no-writes";
const ANNOTATION = "container.apparmor.security.beta.kubernetes.io/c";

/** Everything may be read and run, and one path may not be written. */
const RULES = `
profile ${PROFILE} flags=(attach_disconnected, mediate_deleted) {
  capability,
  network,
  file,
  umount,
  signal,
  ptrace,
  deny /data/denied w,
}
`;

/** The kernel's files come first: containerd looks there once whether profiles count. */
export default async (netns: string) => {
  if (!existsSync(join(SECURITY, "apparmor"))) await commandOutput("mount", ["-t", "securityfs", "security", SECURITY]);
  await PodBed.run(netns, [confines, enforces, keepsAnnotations, tellsOfNoProfile, letsGo]);
};

/** containerd takes its default profile for who asks for none. */
async function confines(bed: PodBed): Promise<void> {
  const file = join(bed.node.containerd.dir, "profile");
  await writeFile(file, RULES);
  await commandOutput("apparmor_parser", ["--replace", "--skip-cache", file]);
  await bed.kubelet();
  await bed.create("silent", {});
  await bed.create("default", { securityContext: { appArmorProfile: { type: "RuntimeDefault" } } });
  for (const name of ["silent", "default"]) assert.equal(await profileOf(bed, await bed.ready(name)), DEFAULT);
  await bed.remove("silent", "default");
}

async function enforces(bed: PodBed): Promise<void> {
  const appArmorProfile = { type: "Localhost", localhostProfile: PROFILE };
  const volumeMounts = [{ name: "data", mountPath: "/data" }];
  const volumes = [{ name: "data", emptyDir: {} }];
  await bed.create("by-pod", { volumeMounts }, { securityContext: { appArmorProfile }, volumes });
  const pod = await bed.ready("by-pod");
  assert.equal(await profileOf(bed, pod), `${PROFILE} (enforce)`);
  assert.equal(await bed.sh(pod, "touch /data/allowed && echo written"), "written");
  assert.match(await bed.sh(pod, "touch /data/denied"), /denied: Permission denied/);
  await bed.remove("by-pod");
}

/** The API turns the annotations of old into fields. */
async function keepsAnnotations(bed: PodBed): Promise<void> {
  await bed.create("annotated", {}, {}, { [ANNOTATION]: `localhost/${PROFILE}` });
  const pod = await bed.ready("annotated");
  const { appArmorProfile } = pod.spec.containers[0]?.securityContext ?? {};
  assert.deepEqual(appArmorProfile, { type: "Localhost", localhostProfile: PROFILE });
  assert.equal(await profileOf(bed, pod), `${PROFILE} (enforce)`);
  await bed.remove("annotated");
}

async function tellsOfNoProfile(bed: PodBed): Promise<void> {
  const appArmorProfile = { type: "Localhost", localhostProfile: "skiff-test-nowhere" };
  await bed.create("nowhere", { securityContext: { appArmorProfile } });
  const pod = await bed.podIs("nowhere", "refused by the runtime", ({ status }) => {
    return status?.containerStatuses?.[0]?.state?.waiting?.reason === "CreateContainerError";
  });
  const { message } = pod.status?.containerStatuses?.[0]?.state?.waiting ?? {};
  assert.match(message ?? "", /apparmor profile not found skiff-test-nowhere/);
  await bed.eventIs("nowhere", /^Failed: Error: .*apparmor profile not found/);
  await bed.remove("nowhere");
}

async function letsGo(bed: PodBed): Promise<void> {
  await bed.create("free", { securityContext: { appArmorProfile: { type: "Unconfined" } } });
  await bed.create("annotated-free", {}, {}, { [ANNOTATION]: "unconfined" });
  await bed.create("privileged", { securityContext: { privileged: true } });
  for (const name of ["free", "annotated-free", "privileged"]) {
    assert.equal(await profileOf(bed, await bed.ready(name)), "unconfined");
  }
  await bed.remove("free", "annotated-free", "privileged");
}

async function profileOf(bed: PodBed, pod: Pod): Promise<string> {
  return (await bed.processFile(pod, "attr/apparmor/current")).trim();
}
