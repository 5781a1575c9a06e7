// systemd-logind through its own tools: a lock that delays the machine's shutdown, and the news of one.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Clock } from "@skiff/component-base/clock.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import type { Inhibitor, ShutdownLock } from "./shutdown-manager.ts";

/** logind's names on the system bus. */
const SERVICE = "org.freedesktop.login1";
const MANAGER = "org.freedesktop.login1.Manager";
const CONFIG_DIR = "/etc/systemd/logind.conf.d";
/** logind reads its configuration again on a signal, and says nothing when it has. */
const RELOAD_TRIES = 25;
const RELOAD_PAUSE_MS = 200;

/** Tests put tools of their own in place of the machine's. */
export interface LogindPlaces {
  /** Folder of busctl, systemctl and systemd-inhibit; those of the PATH when empty. */
  readonly tools: string;
  readonly configDir: string;
}

/**
 * logind holds a shutdown for as long as a delay lock is held, but no longer than InhibitDelayMaxSec, 5 seconds
 * unless told.
 */
export class Logind implements Inhibitor {
  private readonly clock: Clock;
  private readonly places: LogindPlaces;

  constructor(clock: Clock, places: LogindPlaces = { tools: "", configDir: CONFIG_DIR }) {
    this.clock = clock;
    this.places = places;
  }

  /** Makes sure that a lock may hold the shutdown so long. Throws in upstream's words where it cannot be. */
  async allowDelay(ms: number, signal: AbortSignal): Promise<void> {
    if ((await this.maxDelayMs(signal)) >= ms) return;
    await mkdir(this.places.configDir, { recursive: true });
    const text = `# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=${Math.ceil(ms / 1000)}\n`;
    await writeFile(join(this.places.configDir, "99-kubelet.conf"), text);
    await commandOutput(this.tool("systemctl"), ["kill", "--signal=HUP", "systemd-logind.service"], { signal });
    let current = 0;
    for (let attempt = 0; attempt < RELOAD_TRIES; attempt++) {
      current = await this.maxDelayMs(signal);
      if (current >= ms) return;
      await this.clock.sleep(RELOAD_PAUSE_MS, signal);
    }
    throw new Error(
      `node shutdown manager was unable to update logind InhibitDelayMaxSec to ${ms / 1000}s (ShutdownGracePeriod), current value of InhibitDelayMaxSec (${current / 1000}s) is less than requested ShutdownGracePeriod`,
    );
  }

  /** The lock is held as long as a program runs that only waits for us: it goes when we release it, and when we die. */
  async hold(signal: AbortSignal): Promise<ShutdownLock> {
    const why = "Kubelet needs time to handle node shutdown";
    const wait = ["sh", "-c", "echo held; exec cat > /dev/null"];
    const args = ["--what=shutdown", "--who=kubelet", `--why=${why}`, "--mode=delay", ...wait];
    const child = spawn(this.tool("systemd-inhibit"), args, { stdio: ["pipe", "pipe", "pipe"] });
    const gone = endOf(child);
    const lines = createInterface({ input: child.stdout });
    const held = new Promise<void>((resolve) => lines.once("line", () => resolve()));
    const stop = () => child.stdin.end();
    signal.addEventListener("abort", stop, { once: true });
    child.stdin.on("error", () => {});
    try {
      await Promise.race([held, gone.then((why2) => Promise.reject(new Error(`systemd-inhibit ended: ${why2}`)))]);
    } catch (error) {
      signal.removeEventListener("abort", stop);
      throw error;
    }
    return {
      lost: gone.then(() => {}),
      async release() {
        signal.removeEventListener("abort", stop);
        stop();
        await gone;
      },
    };
  }

  /** True when a shutdown begins, false when it was called off. Ends with the monitor; throws when there can be none. */
  async *news(signal: AbortSignal): AsyncGenerator<boolean, void, undefined> {
    const match = `type='signal',sender='${SERVICE}',interface='${MANAGER}',member='PrepareForShutdown'`;
    const args = ["--system", "--json=short", `--match=${match}`, "monitor"];
    const child = spawn(this.tool("busctl"), args, { stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => child.kill();
    signal.addEventListener("abort", stop, { once: true });
    const gone = endOf(child);
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        const begins = readNews(line);
        if (begins !== undefined) yield begins;
      }
      if (!signal.aborted) throw new Error(`busctl ended: ${await gone}`);
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  private tool(name: string): string {
    return join(this.places.tools, name);
  }

  private async maxDelayMs(signal: AbortSignal): Promise<number> {
    const path = "/org/freedesktop/login1";
    const args = ["--system", "get-property", SERVICE, path, MANAGER, "InhibitDelayMaxUSec"];
    const text = await commandOutput(this.tool("busctl"), args, { signal });
    const micros = /^t (\d+)/.exec(text)?.[1];
    if (micros === undefined) throw new Error(`InhibitDelayMaxUSec of systemd-logind is ${JSON.stringify(text)}`);
    return Number(micros) / 1000;
  }
}

/** What one line of `busctl monitor` says; undefined for other messages, such as the monitor's own. */
export function readNews(line: string): boolean | undefined {
  let message: { member?: string; payload?: { data?: readonly unknown[] } };
  try {
    message = JSON.parse(line);
  } catch {
    // Some releases write a greeting.
    return undefined;
  }
  if (message.member !== "PrepareForShutdown") return undefined;
  const begins = message.payload?.data?.[0];
  return typeof begins === "boolean" ? begins : undefined;
}

/** Resolves with the program's last words once it has ended, or could not be started. */
function endOf(child: ChildProcess): Promise<string> {
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = `${words}${text}`.slice(-500);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => resolve(words.trim() || `exit status ${code}`));
  });
}
