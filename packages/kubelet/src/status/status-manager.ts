// Brings pod statuses to the API: at once, one write per pod at a time, and always the newest.

import { isApiError } from "@skiff/api/errors.ts";
import type { Pod, PodCondition, PodStatus } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { isStaticPod } from "../static-pods/annotations.ts";
import { isForeignCondition, isOwnDisruption } from "./conditions.ts";
import { statusPatch } from "./status-patch.ts";

export interface StatusManagerDeps {
  readonly client: Pick<ResourceClient<Pod>, "patch" | "delete">;
  /** The API's mirror of a static pod, which carries its status. */
  mirrorOf?(pod: Readonly<Pod>): Readonly<Pod> | undefined;
  /** Whether pods are being started, which is what users wait for. */
  isBusy?(): boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One pod's status on its way. */
interface Entry {
  readonly namespace: string;
  readonly name: string;
  /** Of the API's object; undefined while a static pod has no mirror. */
  apiUid: string | undefined;
  /** What the API has, as far as is known, and of which version. */
  known: PodStatus;
  knownVersion: bigint;
  wanted: PodStatus;
  sending: Promise<void> | undefined;
  /** Runs while a status that need not be written at once waits for a newer one. */
  timer: Disposable | undefined;
}

/** A pod that starts is told of as a whole: what it says of itself before it runs may wait this long for that. */
const PENDING_DELAY_MS = 1000;
/** And as long as others start beside it, which a write more for each would only hold up. */
const MAX_PENDING_DELAY_MS = 3000;
/** After a failed write, doubling. */
const RETRY_INITIAL_MS = 200;
const RETRY_MAX_MS = 10_000;

/**
 * The worker sets a status and goes on; writing, trying again and merging with what others wrote happen here. A
 * status that is overtaken by a newer one is never sent.
 */
export class StatusManager {
  private readonly deps: StatusManagerDeps;
  private readonly signal: AbortSignal;
  private readonly entries = new Map<string, Entry>();

  constructor(deps: StatusManagerDeps, signal: AbortSignal) {
    this.deps = deps;
    this.signal = signal;
  }

  /** The newest status of the pod: what was set last, or else what the API has. */
  current(pod: Pod): PodStatus {
    return this.entries.get(pod.metadata.uid ?? "")?.wanted ?? pod.status ?? {};
  }

  /** Takes note of the pod as the API has it now; repairs a status that somebody else overwrote. */
  observe(pod: Readonly<Pod>): void {
    const uid = pod.metadata.uid ?? "";
    const entry = this.entries.get(uid);
    const version = versionOf(pod);
    if (!entry || version <= entry.knownVersion) return;
    entry.known = pod.status ?? {};
    entry.knownVersion = version;
    entry.wanted = withForeignConditions(entry.wanted, entry.known);
    if (statusPatch(entry.known, entry.wanted)) this.send(uid, entry);
  }

  /** The static pod's mirror was made, changed or lost: what was set goes to the new one. */
  observeMirror(uid: string, mirror: Readonly<Pod> | undefined): void {
    const entry = this.entries.get(uid);
    if (!entry) return;
    const isSame = entry.apiUid !== undefined && entry.apiUid === mirror?.metadata.uid;
    if (isSame && versionOf(mirror) <= entry.knownVersion) return;
    Object.assign(entry, standOf(mirror));
    if (mirror && statusPatch(entry.known, entry.wanted)) this.send(uid, entry);
  }

  /** Makes `status` the pod's; returns before it is written. */
  set(pod: Readonly<Pod>, status: PodStatus): void {
    const uid = pod.metadata.uid ?? "";
    let entry = this.entries.get(uid);
    if (!entry) {
      const { namespace = "", name } = pod.metadata;
      const target = isStaticPod(pod) ? this.deps.mirrorOf?.(pod) : pod;
      entry = { namespace, name, wanted: status, sending: undefined, timer: undefined, ...standOf(target) };
      this.entries.set(uid, entry);
    }
    entry.wanted = status;
    if (!statusPatch(entry.known, status)) return;
    if (isWorthWaiting(status)) this.sendLater(uid, entry);
    else this.send(uid, entry);
  }

  /** Resolves once what was set has been written, or the pod is gone. */
  async flush(uid: string): Promise<void> {
    const entry = this.entries.get(uid);
    if (entry?.timer) this.send(uid, entry);
    await entry?.sending;
  }

  /** The kubelet's last word: nothing of the pod is left on the node, so its object may go. */
  async finalize(pod: Readonly<Pod>): Promise<void> {
    const { namespace = "", name, uid = "" } = pod.metadata;
    await this.flush(uid);
    for (let waitMs = RETRY_INITIAL_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        await this.deps.client.delete(namespace, name, { gracePeriodSeconds: 0, uid }, { signal: this.signal });
        return;
      } catch (error) {
        // Gone already, or a new pod has taken the name.
        if (isApiError(error, "NotFound") || isApiError(error, "Conflict")) return;
        this.signal.throwIfAborted();
        this.deps.log.warn({ err: error, pod: `${namespace}/${name}` }, "pod could not be deleted, trying again");
        await this.deps.clock.sleep(waitMs, this.signal);
      }
    }
  }

  /** Nothing more will be written for the pod. */
  forget(uid: string): void {
    this.entries.get(uid)?.timer?.[Symbol.dispose]();
    this.entries.delete(uid);
  }

  private sendLater(uid: string, entry: Entry): void {
    if (entry.timer) return;
    const since = this.deps.clock.monotonic();
    const sendUnlessBusy = () => {
      const leftMs = since + MAX_PENDING_DELAY_MS - this.deps.clock.monotonic();
      if (leftMs <= 0 || !this.deps.isBusy?.()) return this.send(uid, entry);
      entry.timer = this.deps.clock.after(Math.min(PENDING_DELAY_MS, leftMs), sendUnlessBusy);
    };
    entry.timer = this.deps.clock.after(PENDING_DELAY_MS, sendUnlessBusy);
  }

  private send(uid: string, entry: Entry): void {
    entry.timer?.[Symbol.dispose]();
    entry.timer = undefined;
    if (entry.sending || entry.apiUid === undefined) return;
    const sending = this.sendAll(uid, entry)
      .catch((error) => {
        if (!this.signal.aborted) this.deps.log.error({ err: error }, "status could not be written");
      })
      .finally(() => {
        if (entry.sending === sending) entry.sending = undefined;
      });
    entry.sending = sending;
  }

  /** Writes until the API has what is wanted, which may change meanwhile. */
  private async sendAll(uid: string, entry: Entry): Promise<void> {
    const { client, clock, log } = this.deps;
    const { namespace, name } = entry;
    let waitMs = RETRY_INITIAL_MS;
    while (this.entries.get(uid) === entry) {
      const { known, wanted } = entry;
      const status = entry.apiUid === undefined ? undefined : statusPatch(known, wanted);
      if (!status) {
        // At once, not when the promise settles: what is set in between must be sent anew.
        entry.sending = undefined;
        return;
      }
      try {
        // With the UID: under the same name there may be another pod by now, and the API refuses with Conflict.
        const body = { metadata: { uid: entry.apiUid }, status };
        const options = { signal: this.signal, subresource: "status" };
        const updated = await client.patch(namespace, name, "strategic", body, options);
        this.learn(entry, updated, { known, wanted });
        waitMs = RETRY_INITIAL_MS;
      } catch (error) {
        if (isApiError(error, "NotFound") || isApiError(error, "Conflict")) return;
        this.signal.throwIfAborted();
        log.warn({ err: error, pod: `${namespace}/${name}` }, "status could not be written, trying again");
        await clock.sleep(waitMs, this.signal);
        waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
      }
    }
  }

  /** `sent` is how things stood when the write began: by now the watch may have told of it, and more may be wanted. */
  private learn(entry: Entry, updated: Pod, sent: Pick<Entry, "known" | "wanted">): void {
    const version = versionOf(updated);
    if (version < entry.knownVersion) return;
    entry.known = updated.status ?? {};
    entry.knownVersion = version;
    // A server that does not keep what was sent must not make this a busy loop.
    if (statusPatch(sent.known, entry.known) === undefined) entry.known = sent.wanted;
  }
}

/** Nothing has gone wrong so far, and nothing runs yet. */
function isWorthWaiting({ phase, containerStatuses = [], initContainerStatuses = [] }: PodStatus): boolean {
  const started = [...containerStatuses, ...initContainerStatuses].some(({ state }) => {
    const reason = state?.waiting?.reason;
    return reason !== undefined
      ? !STARTING.has(reason)
      : state?.running !== undefined || state?.terminated !== undefined;
  });
  return phase === "Pending" && !started;
}

const STARTING: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

function standOf(target: Readonly<Pod> | undefined): Pick<Entry, "apiUid" | "known" | "knownVersion"> {
  return { apiUid: target?.metadata.uid, known: target?.status ?? {}, knownVersion: target ? versionOf(target) : 0n };
}

function versionOf(pod: Readonly<Pod>): bigint {
  return BigInt(pod.metadata.resourceVersion ?? "0");
}

/** Conditions that others keep come from the API, whatever this kubelet saw of them before. */
function withForeignConditions(wanted: PodStatus, known: PodStatus): PodStatus {
  const isMine = (condition: PodCondition) => !isForeignCondition(condition.type) || isOwnDisruption(condition);
  const mine = (wanted.conditions ?? []).filter(isMine);
  const taken = new Set(mine.map(({ type }) => type));
  const theirs = (known.conditions ?? []).filter(({ type }) => isForeignCondition(type) && !taken.has(type));
  return { ...wanted, conditions: [...mine, ...theirs] };
}
