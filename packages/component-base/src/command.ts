// Runs one of the system's tools (iptables-restore, ip, conntrack) to its end.
import { spawn } from "node:child_process";

export interface CommandResult {
  /** The exit code; 1 also for a program that a signal ended. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Fed on standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** By SIGKILL: what waits for a lost server hears nothing else. */
  readonly kill?: boolean;
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Rejects when the program cannot be started, and with the signal's reason when that aborts (the program is then killed); a
 * failure of the program itself is a `code`. Output is kept whole: it is for tools whose answers are small.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const { signal, kill, cwd, env } = options;
    const child = spawn(file, args, {
      stdio: "pipe",
      ...(signal && { signal }),
      ...(kill && { killSignal: "SIGKILL" as const }),
      ...(cwd && { cwd }),
      ...(env && { env: { ...process.env, ...env } }),
    });
    const out = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        out[stream] += text;
      });
    }
    // Node reports a kill through the signal as its own AbortError; callers tell a stop by the reason they gave.
    child.once("error", (error) => reject(signal?.aborted ? signal.reason : error));
    // Not "exit": output may still be on its way then.
    child.once("close", (code) => resolve({ code: code ?? 1, ...out }));
    // A tool that refuses its arguments closes its input early; its exit code tells more than EPIPE does.
    child.stdin.once("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** Standard output of a tool that must succeed; rejects with the tool's own words when it does not. */
export async function commandOutput(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await runCommand(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.join(" ")} failed: ${stderr.trim() || `exit code ${code}`}`);
  return stdout;
}
