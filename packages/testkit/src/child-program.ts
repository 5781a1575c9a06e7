// A program under test as a child process: started, watched, stopped or killed, and its log kept for failures.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";

const MAX_LOG_CHARS = 200_000;

export class ChildProgram implements AsyncDisposable {
  private readonly child: ChildProcess;
  private text = "";

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.child = spawn("env", [...settings, command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk: string) => {
        this.text = (this.text + chunk).slice(-MAX_LOG_CHARS);
      });
    }
    // A program that cannot be started shows as not running, with the reason in its log.
    this.child.on("error", (error) => {
      this.text += error.message;
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What it wrote so far, both streams together, the oldest cut off. */
  get log(): string {
    return this.text;
  }

  /** Resolves once the process has ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.child, "close");
    this.child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}
