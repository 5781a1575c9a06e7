// A loop device as a local volume: formatted once, shared by pods, unmounted with the last of them; needs root.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commandOutput } from "@skiff/component-base/command.ts";
import { PodPaths } from "../pod-paths.ts";
import { LocalDevices } from "./local-devices.ts";
import { isMounted, unmountTree } from "./mounts.ts";

const skip = !existsSync("/dev/loop-control") && "this machine has no loop devices";

/** A blank device of 16 MiB. */
async function withDevice(work: (dir: string, device: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "skiff-local-"));
  const image = join(dir, "image");
  await writeFile(image, "");
  await truncate(image, 16 * 1024 * 1024);
  const device = (await commandOutput("losetup", ["--find", "--show", image])).trim();
  try {
    await work(dir, device);
  } finally {
    await unmountTree(dir);
    await commandOutput("losetup", ["--detach", device]);
    await rm(dir, { recursive: true });
  }
}

test("LocalDevices formats a blank device, shares it between pods, and lets go with the last", { skip }, async () => {
  await withDevice(async (dir, path) => {
    const paths = new PodPaths(dir, join(dir, "logs"));
    const devices = new LocalDevices(paths);
    const device = { name: "pv", path, fsType: undefined, mountOptions: ["noatime"] };
    const folderOf = (uid: string) => paths.volume(uid, "kubernetes.io~local-volume", "pv");
    await Promise.all([devices.bind(device, folderOf("p1")), devices.bind(device, folderOf("p2"))]);
    await writeFile(join(folderOf("p1"), "file"), "shared");
    assert.equal(await readFile(join(folderOf("p2"), "file"), "utf8"), "shared");
    const shared = join(dir, "plugins/kubernetes.io/local-volume/mounts/pv");
    await unmountTree(paths.pod("p1"));
    await devices.release("p1");
    assert.equal(await isMounted(shared), true, "another pod has it");
    await rm(paths.pod("p1"), { recursive: true });
    await unmountTree(paths.pod("p2"));
    await devices.release("p2");
    assert.equal(existsSync(shared), false);
    // What is on it now is found, not formatted away.
    await devices.bind(device, folderOf("p2"));
    assert.equal(await readFile(join(folderOf("p2"), "file"), "utf8"), "shared");
  });
});

test("LocalDevices refuses a device that holds another file system, or partitions", { skip }, async () => {
  await withDevice(async (dir, path) => {
    const devices = new LocalDevices(new PodPaths(dir, join(dir, "logs")));
    await commandOutput("mkfs.ext4", ["-q", "-F", path]);
    const folder = join(dir, "pods", "p1", "volumes", "kubernetes.io~local-volume", "pv");
    await mkdir(folder, { recursive: true });
    const device = { name: "pv", path, mountOptions: [] };
    const words = /^Error: failed to mount the volume as "xfs", it already contains ext4\. Mount error: /;
    await assert.rejects(devices.bind({ ...device, fsType: "xfs" }, folder), words);
    await commandOutput("wipefs", ["-a", "-q", path]);
    await writeFile(path, partitionTable(), { flag: "r+" });
    await assert.rejects(devices.bind({ ...device, fsType: "ext4" }, folder), /holds partitions, not a file system/);
  });
});

/** A master boot record with one partition. */
function partitionTable(): Buffer {
  const record = Buffer.alloc(512);
  record[446 + 4] = 0x83;
  record.writeUInt32LE(1, 446 + 8);
  record.writeUInt32LE(1000, 446 + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}
