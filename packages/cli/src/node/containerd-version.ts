// Which containerd the search path leads to: its configuration and its abilities go by that.
import { runCommand } from "@skiff/component-base/command.ts";
import { UserError } from "../user-error.ts";

export interface ContainerdVersion {
  readonly major: number;
  readonly minor: number;
}

/** Throws UserError where it does not start or does not say. */
export async function containerdVersion(): Promise<ContainerdVersion> {
  const { code, stdout, stderr } = await runCommand("containerd", ["--version"]);
  const version = code === 0 ? parseContainerdVersion(stdout) : undefined;
  if (version) return version;
  throw new UserError(
    `containerd does not tell its version: ${(stderr || stdout).trim()}`,
    "run containerd --version and mend what it complains of",
  );
}

/** `containerd MODULE VERSION REVISION`, where distributions put a suffix or a `v` around the number. */
export function parseContainerdVersion(text: string): ContainerdVersion | undefined {
  const [, major, minor] = /^containerd \S+ v?(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined || minor === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}
