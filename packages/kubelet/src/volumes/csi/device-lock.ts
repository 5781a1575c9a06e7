// Keeps a pod's device open for as long as the pod has it, so that no other device can come to lie under its number.
import { readdir, readFile, realpath } from "node:fs/promises";
import { commandOutput } from "@skiff/component-base/command.ts";

/**
 * A loop device holds it, as upstream has it: that outlives the kubelet, and either kubelet finds it by the path. Safe to
 * repeat. Rejects where the node has no loop devices to give.
 */
export async function lockDevice(path: string): Promise<void> {
  const device = await realpath(path);
  if ((await loopsOf(device)).length === 0) await commandOutput("losetup", ["--find", device]);
}

/** Must come before the device goes: whoever takes it away would find it in use. */
export async function unlockDevice(path: string): Promise<void> {
  const device = await realpath(path).catch(() => path);
  for (const loop of await loopsOf(device)) await commandOutput("losetup", ["--detach", loop]);
}

/** Asked of the kernel itself: losetup would also name the loops of others on the same device. */
async function loopsOf(device: string): Promise<string[]> {
  const names = (await readdir("/sys/block").catch(() => [])).filter((name) => /^loop\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      // One that nobody uses has no such file.
      const backing = await readFile(`/sys/block/${name}/loop/backing_file`, "utf8").catch(() => "");
      return backing.trimEnd() === device ? [`/dev/${name}`] : [];
    }),
  );
  return found.flat();
}
