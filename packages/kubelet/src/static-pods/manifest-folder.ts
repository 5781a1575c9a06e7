// Static pods from a folder, or from one file: watched, and read again now and then in case a notice was lost.
import type { FSWatcher } from "node:fs";
import { watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { decodeManifest } from "./decode-manifest.ts";
import type { ManifestSource } from "./static-pods.ts";

export interface ManifestFolderDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Writers need a moment to finish a file. */
const SETTLE_MS = 50;

interface Known {
  readonly text: string;
  readonly pods: readonly Pod[];
  /** The pods are those of an earlier text, if any. */
  readonly isBroken?: boolean;
}

/** What made it look: a notice of a change, which may come amidst a write, or the time. */
type Look = "notice" | "poll";

/** Upstream's --pod-manifest-path: how a control plane starts before there is an API to start it from. */
export class ManifestFolder implements ManifestSource {
  private readonly path: string;
  private readonly nodeName: string;
  private readonly pollMs: number;
  private readonly deps: ManifestFolderDeps;
  private readonly known = new Map<string, Known>();

  constructor(options: { path: string; nodeName: string; pollMs: number }, deps: ManifestFolderDeps) {
    this.path = options.path;
    this.nodeName = options.nodeName;
    this.pollMs = options.pollMs;
    this.deps = deps;
  }

  /** Tells all pods of the folder after each look, until the signal aborts. */
  async run(onPods: (pods: readonly Pod[]) => void, signal: AbortSignal): Promise<void> {
    const { clock } = this.deps;
    let look: Look = "poll";
    while (!signal.aborted) {
      const stop = new AbortController();
      // Watched before it is read, so that no change falls between the two.
      const changed = Promise.withResolvers<Look>();
      const watcher = this.watch(() => changed.resolve("notice"));
      onPods(await this.read(look));
      const slept = clock.sleep(this.pollMs, AbortSignal.any([signal, stop.signal])).catch(() => {});
      look = await Promise.race([slept.then(() => "poll" as const), changed.promise]);
      stop.abort();
      watcher?.close();
      if (!signal.aborted) await clock.sleep(SETTLE_MS, signal).catch(() => {});
    }
  }

  /** The pods of all files now; a folder that is not there has none. */
  async read(look: Look): Promise<readonly Pod[]> {
    const files = await this.files();
    for (const path of this.known.keys()) if (!files.includes(path)) this.known.delete(path);
    for (const path of files) {
      await this.readOne(path);
      // As upstream: in a folder a file that stays broken has no pods, while the only file there is keeps its own.
      const known = this.known.get(path);
      if (look === "poll" && known?.isBroken && path !== this.path) this.known.set(path, { ...known, pods: [] });
    }
    return [...this.known.values()].flatMap(({ pods }) => pods);
  }

  private async files(): Promise<string[]> {
    const stats = await stat(this.path).catch(() => undefined);
    if (!stats) return [];
    if (!stats.isDirectory()) return [this.path];
    const entries = await readdir(this.path, { withFileTypes: true });
    // Hidden files are editors' and mount tools' own.
    const files = entries.filter((entry) => !entry.name.startsWith(".") && (entry.isFile() || entry.isSymbolicLink()));
    return files.map(({ name }) => join(this.path, name)).sort();
  }

  private async readOne(path: string): Promise<void> {
    const before = this.known.get(path);
    const text = await readFile(path, "utf8").catch((error) => {
      this.deps.log.error({ err: error, path }, "manifest of a static pod cannot be read");
    });
    if (text === undefined) {
      if (before) this.known.set(path, { text: "", pods: before.pods, isBroken: true });
      return;
    }
    if (before?.text === text) return;
    try {
      const pods = decodeManifest(text, { source: "file", place: path, nodeName: this.nodeName });
      this.known.set(path, { text, pods });
    } catch (error) {
      this.known.set(path, { text, pods: before?.pods ?? [], isBroken: true });
      this.deps.log.error({ err: error, path }, "manifest of a static pod cannot be used");
    }
  }

  private watch(onChange: () => void): FSWatcher | undefined {
    try {
      const watcher = watch(this.path, { persistent: false }, onChange);
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      // Not there yet, or no more watches to be had: reading now and then finds it.
      return undefined;
    }
  }
}
