// Certificates for projected volumes: asked of signers through the API, and renewed in time. Keys live in memory alone.

import { isNotFound } from "@skiff/api/errors.ts";
import { podCertificateRequests, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Node, Pod, PodCertificateProjection, V1beta1PodCertificateRequest } from "@skiff/api/types.ts";
import { Informer } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { BackOff } from "../../back-off.ts";
import type { PodEvents } from "../../events/pod-events.ts";
import { untilAborted } from "../../until-aborted.ts";
import { type CertificateState, conditionOf, planStep, type Refusal } from "./certificate-state.ts";
import { makeRequest } from "./make-request.ts";
import { NotIssuedError } from "./not-issued-error.ts";

export interface PodCertificatesDeps {
  readonly nodeName: string;
  readonly client: Pick<RestClient, "of">;
  readonly events: Pick<PodEvents, "pod">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** Ends the watch and the renewals. */
  readonly signal: AbortSignal;
  node(): Readonly<Node> | undefined;
  /** Told of the pods, by UID, that have to be written anew. */
  onChange(podUids: readonly string[]): void;
  /** For tests: at least 0 and less than 1. */
  readonly random?: () => number;
}

/** One source of one volume of one pod. */
interface Projection {
  readonly pod: Pod;
  readonly source: PodCertificateProjection;
  readonly key: string;
  state: CertificateState;
  warned: string;
  working: Promise<void> | undefined;
}

/** As upstream: all are looked at about once a minute, and again whenever a request changes. */
const PASS_MS = 60_000;
/** A node's pods are not to renew all at once. */
const JITTER_MS = 5 * 60_000;
/** The watch may be late, but not by that much. */
const ABANDON_MS = 10 * 60_000;
const RETRY_INITIAL_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** Once each, as events with these words. */
const WARNINGS: Readonly<Record<string, readonly [reason: string, message: string]>> = {
  overdue_for_refresh: ["CertificateOverdueForRefresh", "PodCertificate refresh overdue"],
  expired: ["CertificateExpired", "PodCertificate expired"],
};

export class PodCertificates {
  private readonly deps: PodCertificatesDeps;
  private readonly random: () => number;
  private readonly projections = new Map<string, Projection>();
  private readonly backOff: BackOff;
  private informer: Informer<V1beta1PodCertificateRequest> | undefined;

  constructor(deps: PodCertificatesDeps) {
    this.deps = deps;
    this.random = deps.random ?? Math.random;
    this.backOff = new BackOff(RETRY_INITIAL_MS, RETRY_MAX_MS, deps.clock);
    deps.metrics.observedGauge(
      "kubelet_podcertificate_states",
      "Projected certificates of pods by their signer and state.",
      () => this.counts(),
    );
  }

  /** The key and the certificates, PEM. Throws NotIssuedError until the signer has answered, and upstream's words if it refused. */
  async bundle(
    pod: Pod,
    place: { readonly volume: string; readonly index: number },
    source: PodCertificateProjection,
    signal: AbortSignal,
  ): Promise<{ readonly key: string; readonly chain: string }> {
    this.informer ??= await this.start(signal);
    const key = JSON.stringify([pod.metadata.uid ?? "", place.volume, place.index]);
    const known = this.projections.get(key) ?? { pod, source, key, state: {}, warned: "", working: undefined };
    this.projections.set(key, known);
    await untilAborted(this.step(known), signal);
    const { held, refusal } = known.state;
    // What was issued serves on, even where the signer will not do so again.
    if (held) return held;
    if (refusal) throw new Error(wordsOf(refusal));
    throw new NotIssuedError();
  }

  /** The pod is over. */
  forget(podUid: string): void {
    for (const [key, { pod }] of this.projections) if (pod.metadata.uid === podUid) this.projections.delete(key);
  }

  private async start(signal: AbortSignal): Promise<Informer<V1beta1PodCertificateRequest>> {
    const { client, nodeName, log } = this.deps;
    const fieldSelector = `spec.nodeName=${nodeName}`;
    const requests = client.of(podCertificateRequests);
    // The kind is off by default, and a watch of it would only complain for ever.
    await requests.list({ limit: 1, fieldSelector }, { signal }).catch((error) => {
      if (!isNotFound(error)) throw error;
      throw new Error("PodCertificate projection is not supported: the API server does not serve the kind");
    });
    if (this.informer) return this.informer;
    const informer = new Informer<V1beta1PodCertificateRequest>(requests, { fieldSelector }, this.deps);
    const changed = ({ metadata }: Readonly<V1beta1PodCertificateRequest>) => this.stepFor(metadata.name);
    informer.addHandler({ onAdd: changed, onUpdate: (_before, next) => changed(next), onDelete: changed });
    informer.run(this.deps.signal).catch((error) => {
      if (!this.deps.signal.aborted) log.warn({ err: error }, "watch of pod certificate requests ended");
    });
    void this.runPasses();
    return informer;
  }

  private async runPasses(): Promise<void> {
    const { clock, signal } = this.deps;
    while (!signal.aborted) {
      await clock.sleep(PASS_MS * (1 + this.random()), signal).catch(() => {});
      for (const projection of [...this.projections.values()]) await this.step(projection);
      this.backOff.collect();
    }
  }

  private stepFor(requestName: string): void {
    for (const projection of this.projections.values()) {
      if (projection.state.asked?.name === requestName) void this.step(projection);
    }
  }

  /** One at a time for each; what fails is logged and tried again. */
  private step(projection: Projection): Promise<void> {
    projection.working ??= this.advance(projection)
      .catch((error) => {
        const { namespace, name } = projection.pod.metadata;
        this.backOff.next(projection.key, this.deps.clock.now());
        const message = "a pod's certificate could not be asked for, trying again";
        if (!this.deps.signal.aborted) this.deps.log.warn({ err: error, pod: `${namespace}/${name}` }, message);
      })
      .finally(() => {
        projection.working = undefined;
      });
    return projection.working;
  }

  private async advance(projection: Projection): Promise<void> {
    const { clock } = this.deps;
    const { asked, held } = projection.state;
    const step = planStep(projection.state, this.requestOf(projection), clock.now());
    switch (step.do) {
      case "ask":
        if (this.backOff.remaining(projection.key) > 0) break;
        await this.ask(projection);
        // The answer may have come before the request was known as ours.
        if (this.requestOf(projection)?.status?.conditions?.length) return this.advance(projection);
        break;
      case "forget":
        projection.state = { held };
        throw new Error(`PodCertificateRequest ${asked?.name} appears to have been deleted`);
      case "take": {
        const refreshAt = step.held.refreshAt + this.random() * JITTER_MS;
        projection.state = { held: { ...step.held, refreshAt, key: asked?.key ?? "" } };
        projection.warned = "";
        this.tellPod(projection);
        break;
      }
      case "refuse":
        projection.state = { held, refusal: step.refusal };
        this.tellRefusal(projection, asked?.name ?? "", step.refusal);
        this.tellPod(projection);
        break;
      case "wait":
        break;
    }
    this.warn(projection);
  }

  private requestOf({ pod, state }: Projection): Readonly<V1beta1PodCertificateRequest> | undefined {
    return state.asked && this.informer?.lister.get(pod.metadata.namespace ?? "", state.asked.name);
  }

  private async ask(projection: Projection): Promise<void> {
    const { client, nodeName, clock, signal, node } = this.deps;
    const { pod, source } = projection;
    const namespace = pod.metadata.namespace ?? "";
    const account = await client.of(serviceAccounts).get(namespace, pod.spec?.serviceAccountName ?? "", { signal });
    const nodeUid = node()?.metadata.uid;
    if (!nodeUid) throw new Error("the node is not registered yet");
    const facts = { accountUid: account.metadata.uid ?? "", nodeName, nodeUid };
    const { key, request } = await makeRequest(pod, source, facts);
    const made = await client.of(podCertificateRequests).create(namespace, request, { signal });
    const abandonAt = clock.now() + ABANDON_MS + this.random() * JITTER_MS;
    projection.state = { ...projection.state, asked: { key, name: made.metadata.name, abandonAt } };
    this.backOff.reset(projection.key);
  }

  private tellPod({ pod }: Projection): void {
    this.deps.onChange([pod.metadata.uid ?? ""]);
  }

  private tellRefusal({ pod }: Projection, name: string, { kind, reason, message }: Refusal): void {
    const what = kind === "Denied" ? "was denied" : "failed";
    const why = `reason=${JSON.stringify(reason)}, message=${JSON.stringify(message)}`;
    const text = `PodCertificateRequest ${pod.metadata.namespace}/${name} ${what}, ${why}`;
    this.deps.events.pod(pod, "Warning", kind, text);
  }

  private warn(projection: Projection): void {
    const condition = conditionOf(projection.state, this.deps.clock.now());
    const warning = WARNINGS[condition];
    if (!warning || projection.warned === condition) return;
    projection.warned = condition;
    this.deps.events.pod(projection.pod, "Warning", ...warning);
  }

  private counts(): Iterable<{ labels: Record<string, string>; value: number }> {
    const now = this.deps.clock.now();
    const all = [...this.projections.values()];
    const groups = Map.groupBy(all, ({ source, state }) =>
      JSON.stringify([source.signerName, conditionOf(state, now)]),
    );
    return [...groups].map(([key, { length }]) => {
      const [signer_name = "", state = ""] = JSON.parse(key) as string[];
      return { labels: { signer_name, state }, value: length };
    });
  }
}

function wordsOf({ kind, reason, message }: Refusal): string {
  const what = `reason=${JSON.stringify(reason)} message=${JSON.stringify(message)}`;
  return `PodCertificateRequest was permanently ${kind.toLowerCase()}: ${what}`;
}
