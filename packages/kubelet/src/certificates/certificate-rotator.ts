// Keeps one certificate of the kubelet fresh: waits for its time, asks for the next one, stores it and tells who uses it.
import { isApiError } from "@skiff/api/errors.ts";
import { BackOff } from "@skiff/client/back-off.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { RequestSubject } from "@skiff/component-base/x509/certificate-request.ts";
import type { CertificateStore } from "./certificate-store.ts";
import { type KeyPair, newKey } from "./key-pair.ts";
import { requestCertificate } from "./request-certificate.ts";
import { coversNames, rotationDeadline } from "./rotation-deadline.ts";

/** One certificate: who signs it, for what use and for whom. */
export interface RotatorOptions {
  /** `client` or `server`, in logs and metrics. */
  readonly name: "client" | "server";
  readonly signerName: string;
  readonly usages: readonly string[];
  /** Undefined while nothing can be asked for, such as a serving certificate of a node without addresses. */
  subject(): RequestSubject | undefined;
  /** What is in force at the start. One that is not from the store is replaced at once, as upstream does. */
  readonly initial?: KeyPair | undefined;
  readonly replaceInitial?: boolean;
}

export interface RotatorDeps {
  readonly client: RestClient;
  readonly store: CertificateStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly random: () => number;
  use(pair: KeyPair): void;
}

const REQUEST_TIMEOUT_MS = 15 * 60_000;
const RETRY = { initialMs: 2000, ceilingMs: 128_000 };
/** Wall clocks jump and machines sleep, so a wait of months is made of small ones. */
const LOOK_MS = 60_000;
/** A certificate that is due again as soon as it comes, for its short life or for names that it lacks, must not flood the API. */
const PAUSE_MS = 10_000;

/** Two loops of it run at most: one for the certificate as a client, one for the serving certificate. */
export class CertificateRotator {
  private readonly options: RotatorOptions;
  private readonly deps: RotatorDeps;
  private pair: KeyPair | undefined;
  private deadlineMs = Number.NEGATIVE_INFINITY;
  private earliestMs = Number.NEGATIVE_INFINITY;
  private readonly countFailure: () => void;

  constructor(options: RotatorOptions, deps: RotatorDeps) {
    this.options = options;
    this.deps = deps;
    this.countFailure = this.observe();
    if (options.initial) this.adopt(options.initial);
    if (options.replaceInitial) this.deadlineMs = Number.NEGATIVE_INFINITY;
  }

  /** Until the signal aborts. Throws when the certificate has ended and the API refuses it: only a new start can help then. */
  async run(signal: AbortSignal): Promise<void> {
    const retry = new BackOff(RETRY);
    while (!signal.aborted) {
      const { clock, log } = this.deps;
      const subject = this.options.subject();
      const waitMs = this.waitMs(subject);
      if (!subject || waitMs > 0) {
        await clock.sleep(Math.min(waitMs, LOOK_MS), signal).catch(() => {});
        continue;
      }
      try {
        await this.rotate(subject, signal);
        retry.reset();
      } catch (error) {
        if (signal.aborted) return;
        this.countFailure();
        if (this.isOver(error)) {
          throw new Error("No valid client certificate is found and the server is responsive, exiting.", {
            cause: error,
          });
        }
        log.warn({ err: error, certificate: this.options.name }, "certificate could not be renewed, trying again");
        await clock.sleep(retry.next(), signal).catch(() => {});
      }
    }
  }

  private waitMs(subject: RequestSubject | undefined): number {
    // Addresses come soon after the start, so it is looked for often.
    if (!subject) return LOOK_MS / 30;
    const names = { dnsNames: subject.dnsNames ?? [], addresses: subject.addresses ?? [] };
    const isWrong = this.pair && !coversNames(this.pair, names);
    const dueMs = isWrong ? this.earliestMs : Math.max(this.earliestMs, this.deadlineMs);
    return Math.max(0, dueMs - this.deps.clock.now());
  }

  private async rotate(subject: RequestSubject, signal: AbortSignal): Promise<void> {
    const { signerName, usages, name } = this.options;
    const { store, clock, log } = this.deps;
    const key = newKey();
    const wish = { signerName, usages, subject, key, timeoutMs: REQUEST_TIMEOUT_MS };
    const cert = await requestCertificate(wish, this.deps, signal);
    this.adopt(await store.update(cert, key, clock.now()));
    this.earliestMs = clock.now() + PAUSE_MS;
    log.info({ certificate: name, notAfter: this.pair?.leaf.validTo }, "certificate renewed");
  }

  private adopt(pair: KeyPair): void {
    this.pair = pair;
    this.deadlineMs = rotationDeadline(pair, this.deps.random());
    this.deps.use(pair);
  }

  /** The certificate has ended and the apiserver, which answers, does not know this node: waiting cannot mend that. */
  private isOver(error: unknown): boolean {
    if (this.options.name !== "client" || !this.pair || this.pair.notAfterMs > this.deps.clock.now()) return false;
    return isApiError((error as Error).cause, "Unauthorized");
  }

  private observe(): () => void {
    const { metrics, clock } = this.deps;
    const isClient = this.options.name === "client";
    metrics.observedGauge(
      `kubelet_certificate_manager_${this.options.name}_ttl_seconds`,
      "Seconds until the certificate ends; negative once it has ended, infinite while there is none",
      () => [{ value: this.pair ? (this.pair.notAfterMs - clock.now()) / 1000 : Number.POSITIVE_INFINITY }],
    );
    const errors = metrics.counter(
      isClient
        ? "kubelet_certificate_manager_client_expiration_renew_errors"
        : "kubelet_server_expiration_renew_errors",
      "Failed renewals of the certificate",
    );
    return () => errors.inc();
  }
}
