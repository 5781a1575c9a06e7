// Brings pod statuses to the API: at once, one write per pod at a time, and always the newest.

import { isApiError } from "@skiff/api/errors.ts";
import type { Pod, PodStatus } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { isForeignCondition } from "./conditions.ts";
import { statusPatch } from "./status-patch.ts";

export interface StatusManagerDeps {
  readonly client: Pick<ResourceClient<Pod>, "patch" | "delete">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Entry {
  readonly namespace: string;
  readonly name: string;
  /** What the API has, as far as is known, and of which version. */
  known: PodStatus;
  knownVersion: bigint;
  wanted: PodStatus;
  sending: Promise<void> | undefined;
}

const RETRY_INITIAL_MS = 200;
const RETRY_MAX_MS = 10_000;

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

  /** Makes `status` the pod's; returns before it is written. */
  set(pod: Readonly<Pod>, status: PodStatus): void {
    const uid = pod.metadata.uid ?? "";
    let entry = this.entries.get(uid);
    if (!entry) {
      const { namespace = "", name } = pod.metadata;
      const known = pod.status ?? {};
      entry = { namespace, name, known, knownVersion: versionOf(pod), wanted: status, sending: undefined };
      this.entries.set(uid, entry);
    }
    entry.wanted = status;
    if (statusPatch(entry.known, status)) this.send(uid, entry);
  }

  /** Resolves once what was set has been written, or the pod is gone. */
  async flush(uid: string): Promise<void> {
    await this.entries.get(uid)?.sending;
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

  forget(uid: string): void {
    this.entries.delete(uid);
  }

  private send(uid: string, entry: Entry): void {
    if (entry.sending) return;
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
      const status = statusPatch(known, wanted);
      if (!status) {
        // At once, not when the promise settles: what is set in between must be sent anew.
        entry.sending = undefined;
        return;
      }
      try {
        const body = { metadata: { uid }, status };
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

function versionOf(pod: Readonly<Pod>): bigint {
  return BigInt(pod.metadata.resourceVersion ?? "0");
}

/** Conditions that others keep come from the API, whatever this kubelet saw of them before. */
function withForeignConditions(wanted: PodStatus, known: PodStatus): PodStatus {
  const mine = (wanted.conditions ?? []).filter(({ type }) => !isForeignCondition(type));
  const theirs = (known.conditions ?? []).filter(({ type }) => isForeignCondition(type));
  return { ...wanted, conditions: [...mine, ...theirs] };
}
