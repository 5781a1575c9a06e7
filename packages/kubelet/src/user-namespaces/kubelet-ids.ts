// Which user ids this machine lets the kubelet give to pods.
import { readFile } from "node:fs/promises";
import { runCommand } from "@skiff/component-base/command.ts";
import type { IdPool } from "./id-pool.ts";
import { defaultPool, poolOf } from "./id-pool.ts";

/** Whose entries in /etc/subuid and /etc/subgid count, as upstream. */
const USER = "kubelet";

/** Those that the user `kubelet` has by getsubids; without the user or the tool, all but the host's own. */
export async function kubeletIds(idsPerPod: number, maxPods: number): Promise<IdPool> {
  if (!(await userExists(USER))) return defaultPool(idsPerPod);
  try {
    const [users, groups] = [await ask([USER]), await ask(["-g", USER])];
    if (users !== groups) throw new Error(`mismatched subuids and subgids for user "${USER}"`);
    return poolOf(parseSubIds(users), idsPerPod, maxPods);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return defaultPool(idsPerPod);
    throw error;
  }
}

/** `0: kubelet 65536 2147483648`, one line: of several ranges nobody could say which is meant. */
export function parseSubIds(text: string): { first: number; count: number } {
  const lines = text.trim().split("\n");
  if (lines.length !== 1) throw new Error(`error parsing line ${JSON.stringify(text)}: it must contain only one line`);
  const words = text.trim().split(/\s+/);
  if (words.length !== 4) throw new Error(`invalid line ${JSON.stringify(text)}`);
  const [first, count] = words.slice(2).map(Number);
  if (!isId(first) || !isId(count)) throw new Error(`error parsing line ${JSON.stringify(text)}`);
  return { first, count };
}

function isId(value: number | undefined): value is number {
  return Number.isInteger(value) && value !== undefined && value >= 0 && value < 2 ** 32;
}

async function ask(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand("getsubids", args);
  if (code !== 0) throw new Error(`error retrieving additional ids for user "${USER}": ${stderr.trim()}`);
  return stdout;
}

async function userExists(name: string): Promise<boolean> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return text.split("\n").some((line) => line.startsWith(`${name}:`));
}
