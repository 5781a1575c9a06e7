// Starts one program in its network namespace and cgroup, in a session of its own so that it outlives the supervisor.
import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { makeProgramCgroup } from "../node/cgroups.ts";
import { openLog } from "./log-file.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { identifyProcess } from "./process-identity.ts";

/** The whole of the environment is `env`: nothing is inherited. */
export interface StartRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Path of a network namespace; the host's own when absent. */
  readonly namespace?: string;
  readonly cgroup: string;
  readonly logFile: string;
}

/** Rejects when the program cannot be run at all; `onExit` is called when it ends while this process lives. */
export function startProgram(request: StartRequest, onExit: () => void): Promise<ProcessIdentity> {
  const log = openLog(request.logFile);
  const { command, args } = commandLine(request);
  const child = spawn(command, args, { detached: true, stdio: ["ignore", log, log], env: request.env, cwd: "/" });
  closeSync(log);
  child.unref();
  child.once("exit", onExit);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      const identity = identifyProcess(child.pid ?? 0);
      if (identity) resolve(identity);
      else reject(new Error(`${request.command} ended at once`));
    });
  });
}

// The shell enters the cgroups before it becomes the program, so no child of the program can escape them. nsenter and
// not `ip netns exec`, which remounts /sys and hides the cgroups from runc.
function commandLine(request: StartRequest): { command: string; args: string[] } {
  const enter = request.namespace ? ["nsenter", `--net=${request.namespace}`] : [];
  const files = makeProgramCgroup(request.cgroup);
  const script = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"';
  return {
    command: "/bin/sh",
    args: ["-c", script, "start", ...files, "--", ...enter, request.command, ...request.args],
  };
}
