// How many files the kubelet may have open.
import { readFile } from "node:fs/promises";
import { runCommand } from "@skiff/component-base/command.ts";
import type { Logger } from "@skiff/component-base/logger.ts";

/** Raising it takes a privilege that not every kubelet has, and is no reason not to start. */
export async function raiseOpenFiles(count: number, log: Logger): Promise<void> {
  // Node itself raises the soft limit to the hard one as it starts.
  const [, hard] = /^Max open files\s+\S+\s+(\d+)/m.exec(await readFile("/proc/self/limits", "utf8")) ?? [];
  if (hard === undefined || Number(hard) >= count) return;
  // Node has no call for it; prlimit is of util-linux, which mounts are made with as well.
  const limits = [`--pid=${process.pid}`, `--nofile=${count}:${count}`];
  const { code, stderr } = await runCommand("prlimit", limits).catch((error: Error) => ({
    code: 1,
    stderr: error.message,
  }));
  if (code !== 0) log.info({ maxOpenFiles: count, why: stderr.trim() }, "the limit of open files stays as it is");
}
