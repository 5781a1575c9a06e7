// Ends shims that containerd has lost: it was killed after it had started a shim and before the shim had anything to run.
import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "@skiff/component-base/clock.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { identifyProcess, isAlive, signalProcess } from "./process-identity.ts";

/** A shim process of one containerd; `id` is that of the container, or sandbox, that it was started for. */
export interface Shim {
  readonly id: string;
  readonly process: ProcessIdentity;
}

/** The containerd namespace of pods. */
const NAMESPACE = "k8s.io";
/** containerd keeps the container's record until the kubelet has removed the container, which takes it a while. */
const PAUSE_MS = 30_000;
/** More than a shim needs to remove its socket. */
const TIDY_MS = 500;
/** Looks without a record before a shim is ended, so that one that is just going may go by itself. */
const LOOKS = 2;

/**
 * Looks after the shims that are idle now, until each has got something to run, has ended, or is known to nobody: containerd
 * writes a container's record before it starts the shim and removes it after the shim has ended, so without one no call
 * can ever reach the shim again. Resolves soon where none is idle, as nearly always.
 */
export async function endIdleShims(
  socket: string,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
  pauseMs = PAUSE_MS,
): Promise<void> {
  const looks = new Map(idleShims(socket).map((shim) => [shim, 0]));
  while (looks.size > 0) {
    await clock.sleep(pauseMs, signal);
    // Asked for after the shims were found: whatever is started meanwhile is not among them.
    const records = await containerRecords(socket).catch(() => undefined);
    for (const [shim, without] of looks) {
      if (!isAlive(shim.process) || hasChildren(shim.process.pid)) looks.delete(shim);
      else if (records?.has(shim.id)) looks.set(shim, 0);
      else if (records) looks.set(shim, without + 1);
      if ((looks.get(shim) ?? 0) < LOOKS) continue;
      looks.delete(shim);
      log.info({ pid: shim.process.pid, container: shim.id }, "ending an idle shim that containerd has lost");
      // At the first it removes its socket, and stays.
      signalProcess(shim.process, "SIGTERM");
      await clock.sleep(TIDY_MS, signal);
      signalProcess(shim.process, "SIGKILL");
    }
  }
}

/** Those that run nothing now. */
export function idleShims(socket: string): Shim[] {
  const found: Shim[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const id = Number.isInteger(pid) ? shimId(commandLine(pid), socket) : undefined;
    const process = id && !hasChildren(pid) ? identifyProcess(pid) : undefined;
    if (id && process) found.push({ id, process });
  }
  return found;
}

/** The container's id, where the words are those of a shim of that containerd. */
export function shimId(words: readonly string[], socket: string): string | undefined {
  const [command = "", ...args] = words;
  const flag = (name: string) => args[args.indexOf(name) + 1];
  // The same program with another last word starts or cleans up, and ends by itself.
  if (!/(^|\/)containerd-shim-[^/]+$/.test(command) || args.at(-1) === "start" || args.at(-1) === "delete") return;
  return flag("-namespace") === NAMESPACE && flag("-address") === socket ? flag("-id") : undefined;
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    // It has ended since the folder was read.
    return [];
  }
}

/** A thread lists the children that it started. */
function hasChildren(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.some((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8") !== "");
  } catch {
    // A thread has just ended, or the kernel does not tell: then nobody may say that there are none.
    return true;
  }
}

async function containerRecords(socket: string): Promise<Set<string>> {
  const text = await commandOutput("ctr", ["--address", socket, "-n", NAMESPACE, "containers", "list", "--quiet"]);
  return new Set(text.split("\n").filter(Boolean));
}
