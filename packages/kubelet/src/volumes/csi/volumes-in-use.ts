// node.status.volumesInUse: what must not be detached, for it is mounted here or about to be.
import type { Node } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";

/** The node's object comes by the node's agent; this is only how often it is looked at. */
const LOOK_MS = 100;
/** As long as upstream waits before it says so and begins anew. */
const WAIT_MS = 2 * 60_000;

/**
 * The attach-detach controller does not detach what stands in the status, so a volume is put there before it is
 * mounted and taken out after it is unmounted.
 */
export class VolumesInUse {
  /** By unique name, who holds it: UIDs of pods, or the name of work that is left. */
  private readonly holders = new Map<string, Set<string>>();
  private isLoaded = false;
  /** Asks for the node's status to be reported now. */
  onChange: () => void = () => {};

  /** Undefined until it is known what an earlier kubelet left mounted: nothing of it must be dropped before. */
  list(): readonly string[] | undefined {
    return this.isLoaded ? [...this.holders.keys()].sort() : undefined;
  }

  /** What lay on the disk is held by now. */
  loaded(): void {
    this.isLoaded = true;
  }

  /** Asks for a report where the volume is new to the list. */
  hold(name: string, holder: string): void {
    const holders = this.holders.get(name) ?? new Set();
    holders.add(holder);
    if (this.holders.has(name)) return;
    this.holders.set(name, holders);
    this.onChange();
  }

  letGo(name: string, holder: string): void {
    const holders = this.holders.get(name);
    if (!holders?.delete(holder) || holders.size > 0) return;
    this.holders.delete(name);
    this.onChange();
  }

  /** The pod holds nothing any more. */
  letGoAll(holder: string): void {
    for (const name of [...this.holders.keys()]) this.letGo(name, holder);
  }

  /** True once the API says that the volume is in use, so that nobody detaches it; false where that could not be told. */
  async add(
    name: string,
    podUid: string,
    deps: { node: () => Readonly<Node> | undefined; clock: Clock },
    signal: AbortSignal,
  ): Promise<boolean> {
    this.hold(name, podUid);
    const until = deps.clock.monotonic() + WAIT_MS;
    while (!deps.node()?.status?.volumesInUse?.includes(name)) {
      if (deps.clock.monotonic() >= until) return false;
      await deps.clock.sleep(LOOK_MS, signal);
    }
    return true;
  }
}
