// Watches plugins_registry: a new socket is asked who it is and handed to the handler of its type, a gone one withdrawn.
import type { FSWatcher } from "node:fs";
import { watch } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { PluginHandler, PluginHandlers, PluginInfo } from "./plugin-handler.ts";

/** Serves the plugins of one kubelet until the signal aborts. */
export async function watchPlugins(rootDir: string, deps: PluginWatcherDeps, signal: AbortSignal): Promise<void> {
  await new PluginWatcher(join(rootDir, "plugins_registry"), deps).run(signal);
}

interface PluginWatcherDeps {
  readonly handlers: PluginHandlers;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A lost file event is made up for after this time. */
const RESYNC_MS = 10_000;
const RETRY_INITIAL_MS = 500;
/** Upstream's longest delay between tries. */
const RETRY_MAX_MS = 122_000;
/** Far beyond any node's drivers: a folder that somebody fills must not fill the kubelet. */
const MAX_SOCKETS = 1000;

interface Known {
  /** Tells a socket from a later one at the same path. */
  readonly identity: string;
  plugin: { readonly name: string; readonly handler: PluginHandler } | undefined;
  retryMs: number;
  /** Monotonic; undefined once nothing is left to try. */
  dueAt: number | undefined;
  busy: boolean;
  /** Its socket is gone, so all that is left is to withdraw it. */
  leaving: boolean;
}

/** Compares the folder with what is known at each turn, so a lost event costs time and nothing else. */
class PluginWatcher {
  private readonly dir: string;
  private readonly deps: PluginWatcherDeps;
  private readonly known = new Map<string, Known>();
  private nudge = Promise.withResolvers<void>();

  constructor(dir: string, deps: PluginWatcherDeps) {
    this.dir = dir;
    this.deps = deps;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.makeFolder();
    using _watch = this.watch();
    while (!signal.aborted) {
      this.nudge = Promise.withResolvers<void>();
      await this.reconcile(signal).catch((error) => {
        this.deps.log.warn({ err: error, dir: this.dir }, "plugin sockets could not be read");
      });
      const over = new AbortController();
      const wait = this.deps.clock.sleep(this.waitMs(), AbortSignal.any([signal, over.signal])).catch(() => {});
      await Promise.race([wait, this.nudge.promise]);
      over.abort();
    }
  }

  /** Without it there are no plugins, but pods run all the same. */
  private async makeFolder(): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o750 }).catch((error) => {
      this.deps.log.warn({ err: error, dir: this.dir }, "folder for plugin sockets could not be made");
    });
  }

  private watch(): Disposable {
    let watcher: FSWatcher | undefined;
    try {
      watcher = watch(this.dir, () => this.nudge.resolve());
      // The resync goes on without it.
      watcher.on("error", (error) => this.deps.log.warn({ err: error }, "watch of plugin sockets ended"));
    } catch (error) {
      this.deps.log.warn({ err: error, dir: this.dir }, "plugin sockets cannot be watched, looking now and then");
    }
    return { [Symbol.dispose]: () => watcher?.close() };
  }

  private waitMs(): number {
    const now = this.deps.clock.monotonic();
    const due = [...this.known.values()].flatMap(({ dueAt, busy }) => (dueAt === undefined || busy ? [] : [dueAt]));
    return Math.max(0, Math.min(RESYNC_MS, ...due.map((at) => at - now)));
  }

  private async reconcile(signal: AbortSignal): Promise<void> {
    const sockets = await findSockets(this.dir);
    const now = this.deps.clock.monotonic();
    for (const [path, identity] of sockets) {
      if (!this.known.has(path)) this.known.set(path, newcomer(identity, now));
    }
    for (const [path, entry] of this.known) {
      if (!entry.leaving && !entry.busy && sockets.get(path) !== entry.identity) {
        entry.leaving = true;
        entry.dueAt = now;
      }
      if (entry.busy || entry.dueAt === undefined || entry.dueAt > now) continue;
      this.work(path, entry, () => {
        return entry.leaving ? this.withdraw(path, entry, signal) : this.introduce(path, entry, signal);
      });
    }
  }

  /** One thing at a time for each socket; a plugin that hangs keeps no other waiting. */
  private work(path: string, entry: Known, task: () => Promise<void>): void {
    entry.busy = true;
    entry.dueAt = undefined;
    task()
      .catch((error) => {
        entry.retryMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_INITIAL_MS, entry.retryMs * 2));
        entry.dueAt = this.deps.clock.monotonic() + entry.retryMs;
        this.deps.log.warn({ err: error, socket: path, retryMs: entry.retryMs }, "plugin could not be served");
      })
      .finally(() => {
        entry.busy = false;
        this.nudge.resolve();
      });
  }

  private async introduce(socket: string, entry: Known, signal: AbortSignal): Promise<void> {
    const { RegistrationClient } = await import("./registration-client.ts");
    using client = new RegistrationClient(socket, this.deps);
    const plugin = await client.getInfo(signal);
    try {
      await this.register(plugin, entry, signal);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // The plugin's sidecar shows this to the administrator and ends, so that it is restarted.
      await client.notify({ pluginRegistered: false, error: why }, signal);
      throw error;
    }
    await client.notify({ pluginRegistered: true, error: "" }, signal);
    this.deps.log.info({ plugin: plugin.name, type: plugin.type, socket }, "registered plugin");
  }

  private async register(plugin: PluginInfo, entry: Known, signal: AbortSignal): Promise<void> {
    const load = this.deps.handlers[plugin.type];
    if (!load) {
      throw new Error(`RegisterPlugin error -- no handler registered for plugin type: ${plugin.type}`);
    }
    const handler = await load();
    try {
      handler.validate(plugin);
    } catch (error) {
      throw new Error(`RegisterPlugin error -- plugin validation failed with err: ${messageOf(error)}`, {
        cause: error,
      });
    }
    // Before it is registered: one that fails halfway is withdrawn all the same.
    entry.plugin = { name: plugin.name, handler };
    await handler.register(plugin, signal).catch((error) => {
      throw new Error(`RegisterPlugin error -- plugin registration failed with err: ${messageOf(error)}`, {
        cause: error,
      });
    });
  }

  private async withdraw(path: string, entry: Known, signal: AbortSignal): Promise<void> {
    const { plugin } = entry;
    const others = [...this.known.values()].filter((other) => other !== entry && other.plugin?.name === plugin?.name);
    // A driver that moved to another socket file is not gone.
    if (plugin && others.length === 0) await plugin.handler.deregister(plugin.name, signal);
    this.known.delete(path);
    if (plugin) this.deps.log.info({ plugin: plugin.name, socket: path }, "plugin is gone");
  }
}

function newcomer(identity: string, now: number): Known {
  return { identity, plugin: undefined, retryMs: 0, dueAt: now, busy: false, leaving: false };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Sockets at any depth, as upstream finds them, with what tells each from its successor. Names with a dot in front are skipped. */
async function findSockets(dir: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  for (const entry of entries) {
    if (!entry.isSocket() || entry.name.startsWith(".") || found.size >= MAX_SOCKETS) continue;
    const path = join(entry.parentPath, entry.name);
    const stats = await stat(path).catch(() => undefined);
    if (stats) found.set(path, `${stats.ino} ${stats.ctimeMs}`);
  }
  return found;
}
