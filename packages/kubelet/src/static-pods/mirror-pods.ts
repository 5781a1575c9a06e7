// The API's mirrors of static pods: makes those that lack, replaces those that differ, removes those without a pod.
import { isApiError } from "@skiff/api/errors.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { HASH_ANNOTATION, MIRROR_ANNOTATION } from "./annotations.ts";

export interface MirrorPodsDeps {
  readonly client: Pick<ResourceClient<Pod>, "create" | "delete">;
  /** Undefined until the node is registered; mirrors wait for it. */
  node(): Readonly<Node> | undefined;
  /** Whether the node still ends a pod of that name, which its mirror then shows. */
  isEnding(namespace: string, name: string): boolean;
  /** The mirror of a static pod by UID, as the API has it now. */
  onMirror(staticUid: string, mirror: Readonly<Pod> | undefined): void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Between passes without news, and after one that failed; failures in a row wait ever longer, up to the former. */
const RECHECK_MS = 10_000;
const RETRY_MS = 500;

/**
 * A mirror is the only way in which the API, and so kubectl, sees a static pod. Changing or deleting it does nothing
 * to the pod; the node makes it anew.
 */
export class MirrorPods {
  private readonly deps: MirrorPodsDeps;
  private readonly mirrors = new Map<string, Readonly<Pod>>();
  private wanted: readonly Pod[] = [];
  private hasList = false;
  private nudge = Promise.withResolvers<void>();

  constructor(deps: MirrorPodsDeps) {
    this.deps = deps;
  }

  /** The static pods that shall have a mirror. */
  want(pods: readonly Pod[]): void {
    this.wanted = pods;
    this.nudge.resolve();
  }

  /** Takes note of a mirror that the API has; without `exists`, of one that is gone. */
  observe(mirror: Readonly<Pod>, exists = true): void {
    const key = keyOf(mirror);
    if (exists) this.mirrors.set(key, mirror);
    else if (this.mirrors.get(key)?.metadata.uid === mirror.metadata.uid) this.mirrors.delete(key);
    const pod = this.wanted.find((candidate) => keyOf(candidate) === key);
    if (pod?.metadata.uid) this.deps.onMirror(pod.metadata.uid, exists && isMirrorOf(mirror, pod) ? mirror : undefined);
    this.nudge.resolve();
  }

  /** Called once every mirror that the API has was observed: only then is it known which lack. */
  synced(): void {
    this.hasList = true;
    this.nudge.resolve();
  }

  /** Undefined where it lacks, or is of an earlier manifest. */
  get(pod: Readonly<Pod>): Readonly<Pod> | undefined {
    const mirror = this.mirrors.get(keyOf(pod));
    return mirror && isMirrorOf(mirror, pod) ? mirror : undefined;
  }

  /** The static pod that the mirror of this UID shows. */
  staticUidOf(mirrorUid: string): string | undefined {
    const mirror = [...this.mirrors.values()].find(({ metadata }) => metadata.uid === mirrorUid);
    return mirror?.metadata.annotations?.[HASH_ANNOTATION];
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.deps;
    let failures = 0;
    while (!signal.aborted) {
      this.nudge = Promise.withResolvers<void>();
      failures = (await this.reconcile(signal)) ? 0 : failures + 1;
      // A manifest whose namespace is gone fails for as long as it lies there.
      const pauseMs = failures === 0 ? RECHECK_MS : Math.min(RECHECK_MS, RETRY_MS * 2 ** (failures - 1));
      // News ends the pause, but no failure is tried again at once.
      if (failures > 0) await clock.sleep(RETRY_MS, signal).catch(() => {});
      const stop = new AbortController();
      const rest = clock.sleep(failures > 0 ? pauseMs - RETRY_MS : pauseMs, AbortSignal.any([signal, stop.signal]));
      await Promise.race([rest.catch(() => {}), this.nudge.promise]);
      stop.abort();
    }
  }

  /** One pass; false when something has to be tried again soon. */
  async reconcile(signal: AbortSignal): Promise<boolean> {
    const node = this.deps.node();
    if (!this.hasList || !node) return false;
    const { create, remove } = planMirrors(this.wanted, [...this.mirrors.values()], this.deps.isEnding);
    let settled = true;
    for (const mirror of remove)
      settled = (await this.attempt(mirror, () => this.remove(mirror, signal), signal)) && settled;
    for (const pod of create)
      settled = (await this.attempt(pod, () => this.create(pod, node, signal), signal)) && settled;
    return settled;
  }

  private async attempt(pod: Readonly<Pod>, work: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!signal.aborted)
        this.deps.log.warn({ err: error, pod: keyOf(pod) }, "mirror pod could not be written, trying again");
      return false;
    }
  }

  private async remove(mirror: Readonly<Pod>, signal: AbortSignal): Promise<void> {
    const { name, namespace = "", uid = "" } = mirror.metadata;
    try {
      await this.deps.client.delete(namespace, name, { gracePeriodSeconds: 0, uid }, { signal });
    } catch (error) {
      if (!isApiError(error, "NotFound") && !isApiError(error, "Conflict")) throw error;
    }
    this.observe(mirror, false);
  }

  private async create(pod: Pod, node: Readonly<Node>, signal: AbortSignal): Promise<void> {
    const made = await this.deps.client
      .create(pod.metadata.namespace ?? "", mirrorOf(pod, node), { signal })
      .catch((error) => {
        // A kubelet before this one made it; the watch will tell of it.
        if (isApiError(error, "AlreadyExists")) return undefined;
        throw error;
      });
    if (made && !this.mirrors.has(keyOf(made))) this.observe(made);
  }
}

/** Removals come first: a mirror that is replaced has the name of the new one. */
export interface MirrorPlan {
  readonly create: readonly Pod[];
  readonly remove: readonly Readonly<Pod>[];
}

/** What has to be written so that every static pod has exactly its mirror. Pure. */
export function planMirrors(
  wanted: readonly Pod[],
  mirrors: readonly Readonly<Pod>[],
  isEnding: (namespace: string, name: string) => boolean,
): MirrorPlan {
  const byKey = new Map(wanted.map((pod) => [keyOf(pod), pod]));
  const remove = mirrors.filter((mirror) => {
    const pod = byKey.get(keyOf(mirror));
    // A deleted mirror comes back: deleting it does not end the pod.
    if (pod) return !isMirrorOf(mirror, pod) || mirror.metadata.deletionTimestamp !== undefined;
    return !isEnding(mirror.metadata.namespace ?? "", mirror.metadata.name);
  });
  const removed = new Set(remove.map(keyOf));
  const present = new Set(mirrors.map(keyOf));
  return { remove, create: wanted.filter((pod) => !present.has(keyOf(pod)) || removed.has(keyOf(pod))) };
}

/** The static pod as it is created in the API. */
export function mirrorOf(pod: Pod, node: Readonly<Node>): Unsaved<Pod> {
  const { uid: _, ...metadata } = pod.metadata;
  const hash = metadata.annotations?.[HASH_ANNOTATION] ?? "";
  // Owned by the node, so that the garbage collector takes the mirror with it.
  const owner = {
    apiVersion: "v1",
    kind: "Node",
    name: node.metadata.name,
    uid: node.metadata.uid ?? "",
    controller: true,
  };
  const { status: _status, ...rest } = pod;
  return {
    ...rest,
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [MIRROR_ANNOTATION]: hash },
      ownerReferences: [owner],
    },
  };
}

function isMirrorOf(mirror: Readonly<Pod>, pod: Readonly<Pod>): boolean {
  return mirror.metadata.annotations?.[MIRROR_ANNOTATION] === pod.metadata.annotations?.[HASH_ANNOTATION];
}

function keyOf({ metadata }: Readonly<Pod>): string {
  return `${metadata.namespace}/${metadata.name}`;
}
