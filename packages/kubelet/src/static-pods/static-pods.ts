// Feeds static pods to their workers, and has a mirror in the API for each.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { PodWorkers } from "../pod-workers.ts";
import { SEEN_ANNOTATION } from "./annotations.ts";
import type { MirrorPods } from "./mirror-pods.ts";

/** A folder, a file or an address. */
export interface ManifestSource {
  /** Tells all pods of the source at first and whenever they change, until the signal aborts. */
  run(onPods: (pods: readonly Pod[]) => void, signal: AbortSignal): Promise<void>;
}

export interface StaticPodsDeps {
  readonly sources: readonly ManifestSource[];
  readonly workers: Pick<PodWorkers, "update" | "remove" | "has" | "pods">;
  readonly mirrors: Pick<MirrorPods, "run" | "want">;
  readonly clock: Clock;
}

/** How soon a pod is looked at again that waits for its predecessor of the same name to end. */
const SUCCESSION_MS = 200;

/**
 * Static pods have workers like any others; only where they come from, and that no API is needed for them, is
 * different.
 */
export class StaticPods {
  private readonly deps: StaticPodsDeps;
  private readonly bySource = new Map<ManifestSource, readonly Pod[]>();
  private readonly current = new Map<string, Pod>();
  /** Removed, but not yet ended: their mirrors go with the last of them. */
  private readonly ending = new Set<string>();
  private readonly first = Promise.withResolvers<void>();

  constructor(deps: StaticPodsDeps) {
    this.deps = deps;
    if (deps.sources.length === 0) this.first.resolve();
  }

  /** Resolves once every source has told its pods: what runs and is not among them may then be ended. */
  synced(): Promise<void> {
    return this.first.promise;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { sources, mirrors } = this.deps;
    if (sources.length === 0) return;
    const runs = sources.map((source) => source.run((pods) => this.take(source, pods), signal));
    await Promise.all([...runs, mirrors.run(signal), this.startLoop(signal)]);
  }

  private take(source: ManifestSource, pods: readonly Pod[]): void {
    this.bySource.set(source, pods);
    const wanted = new Map([...this.bySource.values()].flat().map((pod) => [pod.metadata.uid ?? "", pod]));
    for (const [uid, pod] of this.current) {
      if (wanted.has(uid)) continue;
      this.current.delete(uid);
      this.ending.add(uid);
      this.deps.workers.remove(pod);
    }
    for (const [uid, pod] of wanted) if (!this.current.has(uid)) this.current.set(uid, this.stamped(pod));
    if (this.bySource.size === this.deps.sources.length) this.first.resolve();
    this.deps.mirrors.want([...this.current.values()]);
    this.startReady();
  }

  private stamped(pod: Pod): Pod {
    const seen = formatTime(this.deps.clock.now());
    return {
      ...pod,
      metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, [SEEN_ANNOTATION]: seen } },
    };
  }

  private async startLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.deps.clock.sleep(SUCCESSION_MS, signal).catch(() => {});
      if (signal.aborted) return;
      const ended = [...this.ending].filter((uid) => !this.deps.workers.has(uid));
      for (const uid of ended) this.ending.delete(uid);
      if (this.startReady() || ended.length > 0) this.deps.mirrors.want([...this.current.values()]);
    }
  }

  /** A changed manifest is another pod of the same name: it starts when nothing is left of the former. */
  private startReady(): boolean {
    const { workers } = this.deps;
    const waiting = [...this.current.values()].filter((pod) => !workers.has(pod.metadata.uid ?? ""));
    if (waiting.length === 0) return false;
    const taken = new Set(workers.pods().map(fullName));
    const ready = waiting.filter((pod) => !taken.has(fullName(pod)));
    for (const pod of ready) workers.update(pod);
    return ready.length > 0;
  }
}

function fullName({ metadata }: Readonly<Pod>): string {
  return `${metadata.namespace}/${metadata.name}`;
}
