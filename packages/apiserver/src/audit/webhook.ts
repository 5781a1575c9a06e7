// Sends batches of audit events to a webhook as an EventList; a batch that is refused for good or too often is dropped.
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { WebhookTarget } from "./webhook-target.ts";

/** One connection at a time, so that batches arrive in the order of their events. */
export class Webhook {
  private readonly target: WebhookTarget;
  private readonly initialBackoffMs: number;
  private readonly clock: Clock;
  private readonly agent: HttpAgent;

  constructor(target: WebhookTarget, initialBackoffMs: number, clock: Clock) {
    this.target = target;
    this.initialBackoffMs = initialBackoffMs;
    this.clock = clock;
    const { ca, cert, key, insecure } = target;
    const tls = {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      rejectUnauthorized: !insecure,
    };
    // A second connection could overtake the first.
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = target.url.startsWith("https") ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  }

  /** Rejects once it gives up; waits end early when `signal` aborts, and the attempt after it is the last. */
  async send(events: readonly string[], signal: AbortSignal): Promise<void> {
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${events.join(",")}]}`;
    for (let attempt = 1; ; attempt++) {
      const failure = await this.post(body).catch((error: Error) => ({ error, isFinal: false }));
      if (!failure) return;
      // What is refused for good would be refused again, and would hold up the batches behind it.
      if (failure.isFinal || attempt === MAX_ATTEMPTS || signal.aborted) throw failure.error;
      // Upstream's exponential backoff: half as long again each time, with a fifth of jitter.
      const backoff = this.initialBackoffMs * 1.5 ** (attempt - 1);
      await this.clock.sleep(backoff * (1 + 0.2 * Math.random()), signal).catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }

  /** Undefined when it was taken; 429 and 5xx may pass, anything else will not. */
  private post(body: string): Promise<{ error: Error; isFinal: boolean } | undefined> {
    const { url, token } = this.target;
    const headers = {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const ask = url.startsWith("https") ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const options = { method: "POST", agent: this.agent, headers, timeout: TIMEOUT_MS };
      const outgoing = ask(url, options, (answer) => {
        const code = answer.statusCode ?? 0;
        answer.resume();
        answer.on("error", reject);
        const isFinal = code !== 429 && code < 500;
        const refused = { error: new Error(`the webhook answered ${code}`), isFinal };
        answer.on("end", () => resolve(code >= 200 && code < 300 ? undefined : refused));
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error("the webhook did not answer in time")));
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}

const MAX_ATTEMPTS = 5;
/** Of one attempt. */
const TIMEOUT_MS = 30_000;
