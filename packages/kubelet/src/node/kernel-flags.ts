// What upstream wants of the kernel: memory is promised freely, and a panic ends in a reboot.
import { readFile } from "node:fs/promises";

const KERNEL_FLAGS = [
  ["vm/overcommit_memory", 1],
  ["vm/panic_on_oom", 0],
  ["kernel/panic", 10],
  ["kernel/panic_on_oops", 1],
  ["kernel/keys/root_maxkeys", 1_000_000],
  ["kernel/keys/root_maxbytes", 25_000_000],
] as const;

/** For protectKernelDefaults: throws upstream's words where the kernel is set otherwise. Nothing is set here. */
export async function refuseOtherKernel(): Promise<void> {
  const read = (name: string) => readFile(`/proc/sys/${name}`, "utf8").catch(() => "");
  const wrong = kernelFlagProblems(await Promise.all(KERNEL_FLAGS.map(async ([name]) => Number(await read(name)))));
  if (wrong.length > 0) throw new Error(wrong.length > 1 ? `[${wrong.join(", ")}]` : wrong[0]);
}

/** `actual` in the order of the flags above. */
export function kernelFlagProblems(actual: readonly number[]): string[] {
  return KERNEL_FLAGS.flatMap(([name, expected], i) => {
    if (actual[i] === expected) return [];
    return [`invalid kernel flag: ${name}, expected value: ${expected}, actual value: ${actual[i]}`];
  });
}
