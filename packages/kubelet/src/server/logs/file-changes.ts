// Wakes whoever waits for a file to change: by the file system's notice where there is one, else after a while.

import type { FSWatcher } from "node:fs";
import { watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";

/** The folder is watched, not the file: a rotation puts another file under the same name. */
export class FileChanges implements Disposable {
  private readonly clock: Pick<Clock, "after" | "monotonic">;
  private readonly watcher: FSWatcher | undefined;
  private hasChanged = false;
  private wake: () => void = () => {};
  private polledAtMs: number;

  constructor(path: string, clock: Pick<Clock, "after" | "monotonic">) {
    this.clock = clock;
    this.polledAtMs = clock.monotonic();
    this.watcher = watchFolder(dirname(path), () => {
      this.hasChanged = true;
      this.wake();
    });
  }

  /** Resolves at a change since the last call, after `ms`, or when the signal aborts. */
  next(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer[Symbol.dispose]();
        signal.removeEventListener("abort", done);
        this.hasChanged = false;
        this.wake = () => {};
        resolve();
      };
      const timer = this.clock.after(ms, done);
      signal.addEventListener("abort", done, { once: true });
      this.wake = done;
      if (this.hasChanged || signal.aborted) done();
    });
  }

  /** True once every `ms`, so that a busy file does not cause a look at its container per change. */
  isPollDue(ms: number): boolean {
    if (this.clock.monotonic() - this.polledAtMs < ms) return false;
    this.polledAtMs = this.clock.monotonic();
    return true;
  }

  [Symbol.dispose](): void {
    this.watcher?.close();
  }
}

function watchFolder(folder: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    // The folder goes away with its pod; polling notices that too.
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    // Inotify's limits may be used up: then only the polling remains.
    return undefined;
  }
}
