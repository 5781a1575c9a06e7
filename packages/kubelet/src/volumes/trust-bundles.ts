// The cluster's root certificates for projected volumes: one watch for all pods, begun with the first that wants some.
import { createHmac, randomBytes } from "node:crypto";
import { isNotFound } from "@skiff/api/errors.ts";
import { selectorOf } from "@skiff/api/labels.ts";
import { pemBlocks, pemText } from "@skiff/api/pem-blocks.ts";
import { clusterTrustBundles } from "@skiff/api/resource-ref.ts";
import type { ClusterTrustBundleProjection, V1beta1ClusterTrustBundle } from "@skiff/api/types.ts";
import { Informer } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";

type Bundle = Readonly<V1beta1ClusterTrustBundle>;

export interface TrustBundlesDeps {
  readonly client: Pick<RestClient, "of">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Told of the pods, by UID, that may have to be written anew. */
  onChange(podUids: readonly string[]): void;
}

/** As upstream: a pod's start waits this long for the first list. */
const SYNC_MS = 10_000;

export class TrustBundles {
  private readonly deps: TrustBundlesDeps;
  private readonly order = randomBytes(32);
  private readonly users = new Set<string>();
  private informer: Informer<V1beta1ClusterTrustBundle> | undefined;

  constructor(deps: TrustBundlesDeps) {
    this.deps = deps;
  }

  /** PEM of what `source` selects, each certificate once. Rejects where it selects nothing and that is not optional. */
  async anchors(podUid: string, source: ClusterTrustBundleProjection, signal: AbortSignal): Promise<string> {
    this.users.add(podUid);
    const { lister } = await this.synced(signal);
    return trustAnchors(selectBundles(lister.list(), source), this.order);
  }

  /** The pod is over. */
  forget(podUid: string): void {
    this.users.delete(podUid);
  }

  private async synced(signal: AbortSignal): Promise<Informer<V1beta1ClusterTrustBundle>> {
    const { clock } = this.deps;
    this.informer ??= await this.start(signal);
    const waiting = new AbortController();
    const tooLate = clock.sleep(SYNC_MS, AbortSignal.any([signal, waiting.signal])).catch(() => {});
    await Promise.race([this.informer.synced(signal), tooLate]);
    waiting.abort();
    signal.throwIfAborted();
    if (!this.informer.hasSynced) throw new Error("ClusterTrustBundle informer has not yet synced");
    return this.informer;
  }

  private async start(signal: AbortSignal): Promise<Informer<V1beta1ClusterTrustBundle>> {
    const client = this.deps.client.of(clusterTrustBundles);
    // The kind is off by default, and a watch of it would only complain for ever.
    await client.list({ limit: 1 }, { signal }).catch((error) => {
      if (!isNotFound(error)) throw error;
      throw new Error("ClusterTrustBundle projection is not supported: the API server does not serve the kind");
    });
    if (this.informer) return this.informer;
    const informer = new Informer<V1beta1ClusterTrustBundle>(client, {}, this.deps);
    const changed = () => informer.hasSynced && this.deps.onChange([...this.users]);
    informer.addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed });
    informer.run(this.deps.signal).catch((error) => {
      if (!this.deps.signal.aborted) this.deps.log.warn({ err: error }, "watch of trust bundles ended");
    });
    return informer;
  }
}

/** By name, or by signer and labels: no selector selects nothing, an empty one everything of the signer. */
export function selectBundles(bundles: readonly Bundle[], source: ClusterTrustBundleProjection): Bundle[] {
  const { name, signerName, labelSelector, optional = false } = source;
  if (name !== undefined) {
    const found = bundles.filter(({ metadata }) => metadata.name === name);
    if (found.length > 0 || optional) return found;
    throw new Error(`clustertrustbundles.certificates.k8s.io "${name}" not found`);
  }
  if (signerName === undefined)
    throw new Error("ClusterTrustBundle projection requires either name or signerName to be set");
  const matches = labelSelector ? selectorOf(labelSelector).matches : () => false;
  const found = bundles.filter(
    ({ metadata, spec }) => spec.signerName === signerName && matches(metadata.labels ?? {}),
  );
  if (found.length > 0 || optional) return found;
  throw new Error("combination of signerName and labelSelector matched zero ClusterTrustBundles");
}

/** In an order that stays while `key` does and means nothing, lest anybody take the first certificate for the main one. */
export function trustAnchors(bundles: readonly Bundle[], key: Buffer): string {
  const place = (der: Buffer) => createHmac("sha256", key).update(der).digest("hex");
  const blocks = bundles.flatMap(({ spec }) => pemBlocks(spec.trustBundle));
  const anchors = new Map(blocks.map(({ der }) => [place(der), der]));
  const inOrder = [...anchors].sort(([a], [b]) => (a < b ? -1 : 1));
  return inOrder.map(([, der]) => pemText("CERTIFICATE", der)).join("");
}
