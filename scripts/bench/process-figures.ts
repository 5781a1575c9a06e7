// What the kernel says of a process: memory and processor time.
import { readFileSync } from "node:fs";

/** Resident memory now and at its highest, MB of 10^6 bytes. */
export function residentMb(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name: string) => (Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024) / 1e6;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** The highest resident memory seen while `work` lasts, MB. */
export async function peakWhile(pid: number, work: () => Promise<unknown>): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMb(pid).now);
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return peak;
}

/** Processor time used so far, user and system together. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  // Clock ticks are 10 ms on every Linux that matters.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
