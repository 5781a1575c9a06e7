// Mounting and unmounting on the node through mount(8), and what is mounted now.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The mount points at or under `dir`, deepest first. */
export async function mountsUnder(dir: string): Promise<string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return parseMountPoints(table)
    .filter((path) => path === dir || path.startsWith(`${dir}/`))
    .reverse();
}

/** Mount points in the order of /proc/self/mountinfo, whose fields escape blanks as octal. */
export function parseMountPoints(table: string): string[] {
  const lines = table.split("\n").filter(Boolean);
  return lines.map((line) => unescapeOctal(line.split(" ")[4] ?? ""));
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** By the kernel's table. Comparing devices would not see a bind mount of the same file system. */
export async function isMounted(path: string): Promise<boolean> {
  return parseMountPoints(await readFile("/proc/self/mountinfo", "utf8")).includes(path);
}

/** Memory as a file system, of ordinary or of huge pages. */
export async function mountMedium(
  type: "tmpfs" | "hugetlbfs",
  path: string,
  options: readonly string[],
): Promise<void> {
  await run("mount", ["-t", type, "-o", ["nodev", ...options].join(","), type, path]);
}

/** Binds `from` to `to`. `from` is not resolved, so that a link put there meanwhile is not followed. */
export async function bindMount(from: string, to: string): Promise<void> {
  await run("mount", ["--no-canonicalize", "--bind", from, to]);
}

/** Rejects with the output of mount(8). */
export async function mountDevice(from: string, to: string, fsType: string, options: readonly string[]): Promise<void> {
  const list = options.length > 0 ? ["-o", options.join(",")] : [];
  await run("mount", ["-t", fsType, ...list, from, to]);
}

/** `from` is `SERVER:/path`. */
export async function mountNfs(from: string, to: string, options: readonly string[]): Promise<void> {
  const list = options.length > 0 ? ["-o", options.join(",")] : [];
  await run("mount", ["-t", "nfs", ...list, from, to]);
}

async function unmount(path: string): Promise<void> {
  await run("umount", [path]).catch(async () => {
    // A reader may still hold it; a detached mount disappears with its last user.
    await run("umount", ["--lazy", path]);
  });
}

/** Unmounts everything at or under `dir`. */
export async function unmountTree(dir: string): Promise<void> {
  for (const path of await mountsUnder(dir)) await unmount(path);
}
