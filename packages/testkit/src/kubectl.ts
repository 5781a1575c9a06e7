// Runs kubectl, old and new: called by path, because the one on the PATH may choose a version by itself.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CommandResult } from "@skiff/component-base/command.ts";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";

export interface Kubectl {
  /** Such as `1.20`. */
  readonly version: string;
  readonly path: string;
}

const TOOLS = fileURLToPath(new URL("../../../.tools", import.meta.url));
const OLD = join(TOOLS, "kubectl-1.20", "usr", "bin", "kubectl");
const CLOUD_SDK = "/usr/lib/google-cloud-sdk/bin";

/** Debian's 1.20 and a current one; a version that cannot be had is left out, and the caller says so. */
export async function findKubectls(): Promise<Kubectl[]> {
  const found = [await oldKubectl(), await currentKubectl()];
  return found.flatMap((kubectl) => kubectl ?? []);
}

/** Debian's package may conflict with a kubectl on the machine, so it is unpacked, never installed. */
async function oldKubectl(): Promise<Kubectl | undefined> {
  if (!existsSync(OLD)) await fetchDebianKubectl("kubernetes-client", join(TOOLS, "kubectl-1.20")).catch(() => {});
  if (!existsSync(OLD)) return undefined;
  return { version: await versionOf(OLD), path: OLD };
}

async function fetchDebianKubectl(name: string, target: string): Promise<void> {
  mkdirSync(TOOLS, { recursive: true });
  const scratch = mkdtempSync(join(TOOLS, "fetch-"));
  try {
    await commandOutput("apt-get", ["download", "-q", name], { cwd: scratch });
    const [file = ""] = readdirSync(scratch);
    await commandOutput("dpkg", ["-x", join(scratch, file), target]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function currentKubectl(): Promise<Kubectl | undefined> {
  const dispatched = existsSync(CLOUD_SDK)
    ? readdirSync(CLOUD_SDK).filter((name) => /^kubectl\.1\.\d+$/.test(name))
    : [];
  const newest = dispatched.sort((a, b) => minorOf(b) - minorOf(a)).map((name) => join(CLOUD_SDK, name));
  const candidates = [...newest, "/usr/local/bin/kubectl", "/usr/bin/kubectl", "/snap/bin/kubectl"];
  for (const path of candidates.filter((candidate) => existsSync(candidate))) {
    const version = await versionOf(path).catch(() => undefined);
    if (version && minorOf(version) >= 28) return { version, path };
  }
  return undefined;
}

function minorOf(version: string): number {
  return Number(/1\.(\d+)/.exec(version)?.[1] ?? 0);
}

async function versionOf(path: string): Promise<string> {
  const text = await commandOutput(path, ["version", "--client", "-o", "json"]);
  const { clientVersion } = JSON.parse(text) as { clientVersion: { gitVersion: string } };
  return `1.${minorOf(clientVersion.gitVersion)}`;
}

/** One kubectl against one cluster. */
export class KubectlRunner {
  readonly version: string;
  /** The words before kubectl's own arguments. */
  private readonly command: readonly [string, ...string[]];

  /** `namespace`: the network namespace in which the cluster's port is reached, where that is not the machine's own. */
  constructor(kubectl: Kubectl, kubeconfig: string, namespace?: string) {
    this.version = kubectl.version;
    const own = [kubectl.path, "--kubeconfig", kubeconfig] as const;
    this.command = namespace ? ["nsenter", `--net=/run/netns/${namespace}`, ...own] : own;
  }

  /** Standard output; rejects with kubectl's own words. */
  run(...args: string[]): Promise<string> {
    return commandOutput(...this.line(args));
  }

  /** Like run(), with text on standard input. */
  runWith(input: string, ...args: string[]): Promise<string> {
    return commandOutput(...this.line(args), { input });
  }

  /** Failures included. */
  try(...args: string[]): Promise<CommandResult> {
    return runCommand(...this.line(args));
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, "-o", "json")) as T;
  }

  /** A kubectl that goes on, such as `logs -f`; ended by the caller. */
  start(...args: string[]): ChildProcess {
    return spawn(...this.line(args), { stdio: ["pipe", "pipe", "pipe"] });
  }

  /** Runs on a terminal of its own, as `exec -it` and `edit` want it; `input` is typed. */
  async onTerminal(
    input: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const quoted = [...this.command, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const settings = Object.entries(env).map(([name, value]) => `${name}='${value}' `);
    return commandOutput("script", ["-qec", `${settings.join("")}${quoted}`, "/dev/null"], { input });
  }

  private line(args: readonly string[]): [string, string[]] {
    const [command, ...before] = this.command;
    return [command, [...before, ...args]];
  }
}
