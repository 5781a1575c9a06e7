// One informer per resource and selection, shared by everything in a program.
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { InformerDeps, InformerOptions } from "./informer.ts";
import { Informer } from "./informer.ts";
import type { Selection } from "./resource-client.ts";
import type { RestClient } from "./rest-client.ts";

/** What one program watches. Upstream's SharedInformerFactory: ten controllers that need pods cost one watch of pods. */
export class InformerFactory {
  private readonly client: Pick<RestClient, "of">;
  private readonly deps: InformerDeps;
  private readonly informers = new Map<string, Informer<never>>();
  private readonly runs: Promise<void>[] = [];
  /** Set while running: informers asked for from then on start at once. */
  private signal: AbortSignal | undefined;

  constructor(client: Pick<RestClient, "of">, deps: InformerDeps) {
    this.client = client;
    this.deps = deps;
  }

  /** The informer of that selection; indexers of later callers are added, the first one's transform stays. */
  of<T extends KubeObject>(ref: ResourceRef<T>, options: InformerOptions<T> = {}): Informer<T> {
    const key = keyOf(ref, options);
    const known = this.informers.get(key) as Informer<T> | undefined;
    if (known) {
      known.addIndexers(options.indexers ?? {});
      return known;
    }
    const made = new Informer<T>(this.client.of(ref), options, this.deps);
    this.informers.set(key, made as unknown as Informer<never>);
    if (this.signal) this.runs.push(made.run(this.signal));
    return made;
  }

  /** Runs all informers, also those asked for later; resolves once the signal has aborted and all have stopped. */
  async run(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    for (const informer of this.informers.values()) this.runs.push(informer.run(signal));
    if (!signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    }
    await Promise.all(this.runs);
  }

  /** Resolves once every informer asked for so far has its first list. */
  async synced(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.informers.values()].map((informer) => informer.synced(signal)));
  }
}

/** Another selection is another watch; absent and empty mean the same. */
function keyOf(ref: ResourceRef, { namespace, labelSelector, fieldSelector }: Selection): string {
  return JSON.stringify([
    ref.group,
    ref.version,
    ref.plural,
    namespace ?? "",
    labelSelector ?? "",
    fieldSelector ?? "",
  ]);
}
