// Static pods from an HTTP address, asked now and then.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { decodeManifest } from "./decode-manifest.ts";
import type { ManifestSource } from "./static-pods.ts";

/** `headers` go with each request, such as a token. */
export interface ManifestUrlOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly nodeName: string;
  readonly pollMs: number;
}

/** Upstream's limits of one request. */
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 10 * 1024 * 1024;

/** Upstream's --manifest-url. One Pod, or a PodList. */
export class ManifestUrl implements ManifestSource {
  private readonly options: ManifestUrlOptions;
  private readonly deps: { readonly clock: Clock; readonly log: Logger };
  private text = "";
  private failures = 0;

  constructor(options: ManifestUrlOptions, deps: { readonly clock: Clock; readonly log: Logger }) {
    this.options = options;
    this.deps = deps;
  }

  /**
   * Tells all pods whenever the text has changed, until the signal aborts. A failure changes nothing: the last pods
   * run on.
   */
  async run(onPods: (pods: readonly Pod[]) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const pods = await this.ask(signal);
        if (pods) onPods(pods);
        this.failures = 0;
      } catch (error) {
        // As upstream: said loudly at first, and then only now and then.
        const level = this.failures++ < 3 ? "warn" : "debug";
        if (!signal.aborted)
          this.deps.log[level]({ err: error, failures: this.failures }, "manifest could not be read from its URL");
      }
      await this.deps.clock.sleep(this.options.pollMs, signal).catch(() => {});
    }
  }

  /** Undefined when nothing has changed. */
  private async ask(signal: AbortSignal): Promise<Pod[] | undefined> {
    const { url, headers, nodeName } = this.options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const pairs = Object.entries(headers).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    );
    const answer = await fetch(url, { headers: pairs, signal: limit });
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
    const text = await answer.text();
    if (text.length === 0) throw new Error(`zero-length data received from ${url}`);
    if (text.length > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes received from ${url}`);
    if (text === this.text) return undefined;
    const pods = decodeManifest(text, { source: "http", place: url, nodeName });
    this.text = text;
    return pods;
  }
}
