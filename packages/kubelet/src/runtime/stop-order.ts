// Who of a pod's containers may be told to stop before whom: sidecars outlive those that they serve.
import type { Pod } from "@skiff/api/types.ts";
import { isSidecar } from "../sync-pod.ts";

/**
 * Regular containers stop at once, sidecars after all of them and in the reverse order of their start. Everything else waits
 * for nobody, and nobody for it.
 */
export class StopOrder {
  private readonly turns: ReadonlyMap<string, Promise<unknown>>;
  private readonly ends: ReadonlyMap<string, PromiseWithResolvers<void>>;

  /** `running` are the names of the containers that have to end. */
  constructor(pod: Pod | undefined, running: readonly string[]) {
    this.ends = new Map(running.map((name) => [name, Promise.withResolvers<void>()]));
    const endOf = ({ name }: { name: string }) => this.ends.get(name)?.promise;
    const turns = new Map<string, Promise<unknown>>();
    let before = (pod?.spec?.containers ?? []).map(endOf);
    for (const sidecar of (pod?.spec?.initContainers ?? []).filter(isSidecar).toReversed()) {
      turns.set(sidecar.name, Promise.all(before));
      before = [...before, endOf(sidecar)];
    }
    this.turns = turns;
  }

  /** Resolves once the container may be stopped; undefined where it need not wait. */
  turnOf(name: string): Promise<unknown> | undefined {
    return this.turns.get(name);
  }

  /** The container is over, or could not be stopped: those after it need not wait for it any more. */
  ended(name: string): void {
    this.ends.get(name)?.resolve();
  }
}
