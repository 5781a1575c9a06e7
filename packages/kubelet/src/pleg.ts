// The pod lifecycle event generator: keeps the newest view of every pod in the runtime and tells of each change.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { RuntimePod } from "./runtime/runtime-pod.ts";
import { emptyRuntimePod } from "./runtime/runtime-pod.ts";
import type { PodSummary, RuntimeReader } from "./runtime/runtime-reader.ts";

export interface PlegDeps {
  readonly reader: Pick<RuntimeReader, "list" | "read" | "describe">;
  /** Ids of containers that exited; may end, or throw where the runtime has no events. */
  readonly exits: (signal: AbortSignal) => AsyncIterable<string>;
  readonly clock: Clock;
  readonly log: Logger;
}

const RELIST_MS = 1000;
/** Where the runtime tells of changes by itself, lists are only the safety net. */
const RELIST_WITH_EVENTS_MS = 5000;
/** Events come in bursts; one look serves those of this long. */
const SETTLE_MS = 5;
/** As upstream: a list older than this makes the node not ready. */
const HEALTHY_MS = 3 * 60_000;
/** containerd ends its stream when it restarts; meanwhile the lists of every second take over. */
const EVENTS_RETRY_MS = 1000;
/** containerd tells of an exit before its CRI shows it, so looks at the pod follow closely until it does. */
const EXIT_CHECK_MS = 20;
const MAX_EXIT_CHECKS = 25;

interface Cached {
  readonly pod: RuntimePod;
  readonly fingerprint: string;
  /** When its reading began: an older reading never replaces a newer one. */
  readonly sequence: number;
}

/**
 * The CRI has no watch, so changes are found by comparing fingerprints of lists; events of containerd only tell when
 * to look sooner. Whatever the order in which answers arrive, an entry is replaced by a look that began later.
 */
export class Pleg {
  private readonly deps: PlegDeps;
  private readonly cache = new Map<string, Cached>();
  /** Containers that are said to have exited, with the number of looks that may still show them running. */
  private readonly exits = new Map<string, number>();
  private sequence = 0;
  /** A worker's look and a list crossed, so that another list must follow soon. */
  private doubtful = false;
  private hasEvents = false;
  private isFailing = false;
  private lastListAt: number;
  private nudged = false;
  private endPause: () => void = () => {};
  private readonly first = Promise.withResolvers<void>();
  /** Called with the UID of each pod that changed in the runtime. */
  onChange: (uid: string) => void = () => {};
  /** Whether the pod's worker is at work, and so takes a look itself when it is done; without a UID, whether any is. */
  isBusy: (uid?: string) => boolean = () => false;
  /** Called after each list with the seconds that it took. */
  onRelist: (seconds: number) => void = () => {};

  constructor(deps: PlegDeps) {
    this.deps = deps;
    this.lastListAt = deps.clock.monotonic();
  }

  /** Lists until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.listLoop(signal), this.eventLoop(signal)]);
  }

  /** Resolves after the first complete list. */
  synced(): Promise<void> {
    return this.first.promise;
  }

  /** A pod without anything in the runtime, rather than undefined, where none is known. */
  get(uid: string): RuntimePod {
    return this.cache.get(uid)?.pod ?? emptyRuntimePod({ uid, namespace: "", name: "" });
  }

  pods(): RuntimePod[] {
    return [...this.cache.values()].map((entry) => entry.pod);
  }

  /** Reads one pod now, as its worker does after it changed something. */
  async refresh(uid: string): Promise<RuntimePod> {
    const sequence = ++this.sequence;
    const before = this.cache.get(uid);
    const read = await this.deps.reader.read(uid);
    const meanwhile = this.cache.get(uid);
    // Two looks crossed and disagree, and nobody knows which of them saw the later state.
    if (meanwhile !== before && meanwhile?.fingerprint !== read.fingerprint) this.doubtful = true;
    this.store(uid, { ...read, sequence });
    if (this.doubtful) this.poke();
    return this.get(uid);
  }

  /** Lists soon, whatever the interval says. */
  poke(): void {
    this.nudged = true;
    this.endPause();
  }

  /** Why the node is not ready on this account; undefined while all is well. */
  healthProblem(): string | undefined {
    const age = this.deps.clock.monotonic() - this.lastListAt;
    if (age < HEALTHY_MS) return undefined;
    return `PLEG is not healthy: pleg was last seen active ${Math.round(age / 1000)}s ago; threshold is 3m0s`;
  }

  private async listLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = this.deps.clock.monotonic();
      try {
        await this.relist();
        this.lastListAt = this.deps.clock.monotonic();
        this.onRelist((this.lastListAt - startedAt) / 1000);
        this.first.resolve();
        if (this.isFailing) this.deps.log.info("pods can be listed from the runtime again");
        this.isFailing = false;
      } catch (error) {
        // Said once: while the runtime restarts, every list fails alike.
        const level = this.isFailing ? "debug" : "warn";
        this.deps.log[level]({ err: error }, "pods could not be listed from the runtime");
        this.isFailing = true;
      }
      await this.untilNextList(signal);
    }
  }

  /** Meanwhile looks at the pods whose containers are said to have exited. */
  private async untilNextList(signal: AbortSignal): Promise<void> {
    const { clock } = this.deps;
    const listAt = clock.monotonic() + (this.hasEvents ? RELIST_WITH_EVENTS_MS : RELIST_MS);
    while (!signal.aborted) {
      const leftMs = Math.max(0, listAt - clock.monotonic());
      await this.pause(this.exits.size > 0 || this.doubtful ? Math.min(EXIT_CHECK_MS, leftMs) : leftMs, signal);
      if (this.doubtful || clock.monotonic() >= listAt) return;
      if (await this.needsList()) return;
    }
  }

  /** Looks at pods for exits that were told of; true when only a list of everything can find one. */
  private async needsList(): Promise<boolean> {
    const known = new Map<string, { uid: string; running: boolean }>();
    for (const [uid, { pod }] of this.cache) {
      for (const { id, state } of pod.containers) known.set(id, { uid, running: state === "running" });
      for (const { id, ready } of pod.sandboxes) known.set(id, { uid, running: ready });
    }
    const looks = new Set<string>();
    let unknown = false;
    for (const [id, left] of this.exits) {
      const found = known.get(id);
      // The worker reads the pod itself when its pass ends, and its look and this one would only cross.
      if (this.isBusy(found?.uid)) continue;
      if (found?.running) looks.add(found.uid);
      // A container that was made and has exited since the last list.
      if (!found) unknown = true;
      if (left <= 1 || !found?.running) this.exits.delete(id);
      else this.exits.set(id, left - 1);
    }
    await Promise.all([...looks].map((uid) => this.look(uid)));
    return unknown;
  }

  private async look(uid: string): Promise<void> {
    const before = this.cache.get(uid)?.fingerprint;
    try {
      await this.refresh(uid);
      if (this.cache.get(uid)?.fingerprint !== before) this.onChange(uid);
    } catch (error) {
      this.deps.log.debug({ err: error, uid }, "pod could not be read from the runtime");
    }
  }

  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.deps;
    if (!this.nudged && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(ms, () => this.endPause());
        this.endPause = () => {
          timer[Symbol.dispose]();
          signal.removeEventListener("abort", this.endPause);
          resolve();
        };
        signal.addEventListener("abort", this.endPause, { once: true });
      });
    }
    if (!signal.aborted) await clock.sleep(SETTLE_MS, signal).catch(() => {});
    this.nudged = false;
  }

  /** Lists are cheap; only pods whose fingerprint changed are described in full. */
  private async relist(): Promise<void> {
    const sequence = ++this.sequence;
    this.doubtful = false;
    const summaries = await this.deps.reader.list();
    const changed = [...summaries.values()].filter(({ uid, fingerprint }) => this.isNews(uid, fingerprint, sequence));
    await Promise.all(changed.map((summary) => this.take(summary, sequence)));
    for (const [uid, cached] of this.cache) {
      if (summaries.has(uid) || cached.sequence > sequence) continue;
      this.cache.delete(uid);
      this.onChange(uid);
    }
  }

  /**
   * Whether a list shows something that the cache does not. A cache that is newer than the list and yet differs is in
   * doubt.
   */
  private isNews(uid: string, fingerprint: string, sequence: number): boolean {
    const cached = this.cache.get(uid);
    if (cached?.fingerprint === fingerprint) return false;
    if (!cached || cached.sequence < sequence) return true;
    this.doubtful = true;
    return false;
  }

  private async take(summary: PodSummary, sequence: number): Promise<void> {
    try {
      const pod = await this.deps.reader.describe(summary);
      if (this.store(summary.uid, { pod, fingerprint: summary.fingerprint, sequence })) this.onChange(summary.uid);
      else this.doubtful = true;
    } catch (error) {
      // The next list finds the difference again.
      this.deps.log.warn({ err: error, uid: summary.uid }, "pod could not be read from the runtime");
    }
  }

  /**
   * False where a later look was faster. A pod with neither sandbox nor container is one that the runtime has no
   * more.
   */
  private store(uid: string, entry: Cached): boolean {
    const cached = this.cache.get(uid);
    if (cached && cached.sequence > entry.sequence) return false;
    if (entry.pod.sandboxes.length === 0 && entry.pod.containers.length === 0) this.cache.delete(uid);
    else this.cache.set(uid, entry);
    return true;
  }

  private async eventLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const id of this.deps.exits(signal)) {
          this.hasEvents = true;
          this.exits.set(id, MAX_EXIT_CHECKS);
          this.poke();
        }
      } catch (error) {
        if (!signal.aborted) this.deps.log.debug({ err: error }, "no events from the runtime");
      }
      this.hasEvents = false;
      await this.deps.clock.sleep(EVENTS_RETRY_MS, signal).catch(() => {});
    }
  }
}
