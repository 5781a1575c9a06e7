// Tells a running process from another one that got the same pid later: by its start time and the machine's boot.
import { readFileSync } from "node:fs";

/** A pid alone is not enough to kill by: pids come round again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, from /proc/PID/stat. */
  readonly startTicks: number;
  readonly bootId: string;
}

/** Undefined when no such process lives; a zombie does not. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const found = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
    if (!found || found.state === "Z" || found.state === "X") return undefined;
    return { pid, startTicks: found.startTicks, bootId: currentBootId() };
  } catch {
    return undefined;
  }
}

/** The same process, not another one with its pid. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now?.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** The command name may hold spaces and parentheses, so fields count from the last parenthesis. */
export function parseStat(stat: string): { readonly state: string; readonly startTicks: number } | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const startTicks = Number(fields[19]);
  return state && Number.isFinite(startTicks) ? { state, startTicks } : undefined;
}

/** Sends a signal unless the process is gone already. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

let bootId: string | undefined;

function currentBootId(): string {
  bootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return bootId;
}
