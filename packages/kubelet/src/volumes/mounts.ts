// Mounting and unmounting on the node through mount(8), and what is mounted now.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** How long an attempt to unmount may take: a network file system whose server is gone does not answer at all. */
const UNMOUNT_MS = 30_000;

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

/** Whether the topmost mount at `path` has an option, of its own or of its file system. */
export async function hasMountOption(path: string, option: string): Promise<boolean> {
  return mountOptions(await readFile("/proc/self/mountinfo", "utf8"), path).includes(option);
}

/** The options of the mount, then those of the file system; none where nothing is mounted there. */
export function mountOptions(table: string, path: string): string[] {
  const lines = table.split("\n").filter((line) => unescapeOctal(line.split(" ")[4] ?? "") === path);
  const fields = (lines.at(-1) ?? "").split(" ");
  const own = fields[5] ?? "";
  const shared = fields.at(-1) ?? "";
  return fields.length > 1 ? `${own},${shared}`.split(",") : [];
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

/** `from` is `SERVER:/path`. Where the server is away mount(8) tries for minutes, or until the signal aborts. `tools` as below. */
export async function mountNfs(
  from: string,
  to: string,
  options: readonly string[],
  signal: AbortSignal,
  tools = "",
): Promise<void> {
  const list = options.length > 0 ? ["-o", options.join(",")] : [];
  await run(join(tools, "mount"), ["-t", "nfs", ...list, from, to], { signal });
}

/** Unmounts everything at or under `dir`. */
export async function unmountTree(dir: string): Promise<void> {
  for (const path of await mountsUnder(dir)) await unmount(path);
}

/** Tests put an umount of their own into the folder `tools`, and are less patient with the first attempt. */
export async function unmount(path: string, tools = "", patienceMs = UNMOUNT_MS): Promise<void> {
  const umount = (words: readonly string[], timeoutMs = UNMOUNT_MS) =>
    run(join(tools, "umount"), [...words, path], { timeoutMs });
  // A reader may still hold it; a detached mount disappears with its last user. Without a server only force ends the
  // requests that are on their way.
  await umount([], patienceMs).catch((error) => umount(error instanceof TooLong ? ["--force", "--lazy"] : ["--lazy"]));
}

class TooLong extends Error {}

interface Bounds {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Rejects with what the tool said. A tool that waits for a lost server can only be killed, and perhaps not even that: it
 * is not waited for then.
 */
function run(file: string, args: readonly string[], { timeoutMs, signal }: Bounds = {}): Promise<void> {
  const patience = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, patience].filter((one) => one !== undefined));
  return new Promise((resolve, reject) => {
    const giveUp = () =>
      reject(
        patience?.aborted ? new TooLong(`${file} ${args.join(" ")} took longer than ${timeoutMs} ms`) : stop.reason,
      );
    if (stop.aborted) return giveUp();
    // A group of its own: mount(8) leaves the work to a helper, which would try on without it.
    const child = spawn(file, [...args], { detached: true, stdio: ["ignore", "ignore", "pipe"] });
    const end = () => {
      endGroup(child.pid);
      giveUp();
    };
    stop.addEventListener("abort", end, { once: true });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-MAX_OUTPUT_CHARS);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      stop.removeEventListener("abort", end);
      if (code === 0) resolve();
      else reject(new Error(`Command failed: ${file} ${args.join(" ")}\n${said}`));
    });
  });
}

const MAX_OUTPUT_CHARS = 16_384;

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // All of it has ended meanwhile.
  }
}
