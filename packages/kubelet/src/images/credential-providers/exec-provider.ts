// One credential-provider plug-in: a program that is given an image's name and answers with logins, remembered as it says.
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import { runCommand } from "@skiff/component-base/command.ts";
import { parseDuration } from "@skiff/component-base/flags.ts";
import type { Login } from "../pull-secrets.ts";
import { isMeantFor } from "../pull-secrets.ts";
import type { ProviderConfig } from "./provider-config.ts";

/** Upstream's limit of one run. */
const TIMEOUT_MS = 60_000;
/** As many answers as images that a node holds in earnest; beyond them the oldest is asked for again. */
const MAX_REMEMBERED = 1024;

interface Remembered {
  readonly logins: readonly Login[];
  readonly untilMs: number;
}

export interface ExecProviderOptions extends ProviderConfig {
  readonly binDir: string;
}

/** The answer says itself how long it holds and whether for the image, its registry or all images. */
export class ExecProvider {
  private readonly options: ExecProviderOptions;
  private readonly clock: Clock;
  private readonly remembered = new Map<string, Remembered>();
  private readonly asking = new Map<string, Promise<readonly Login[]>>();

  constructor(options: ExecProviderOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
  }

  get name(): string {
    return this.options.name;
  }

  /** `image` is registry and repository. None where the plug-in is not for it; throws when it fails. */
  async loginsFor(image: string, signal: AbortSignal): Promise<readonly Login[]> {
    if (!this.options.matchImages.some((where) => isMeantFor(where, image))) return [];
    const known = this.recall(image);
    if (known) return known;
    // Pods that want one image at the same time share one run, so no single one of them ends it.
    const running = this.asking.get(image) ?? this.begin(image);
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([running, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  private begin(image: string): Promise<readonly Login[]> {
    const running = this.ask(image);
    const forget = () => this.asking.delete(image);
    this.asking.set(image, running);
    running.then(forget, forget);
    return running;
  }

  private recall(image: string): readonly Login[] | undefined {
    // The narrowest first: an answer for one image goes before one for everything.
    for (const key of [image, registryOf(image), GLOBAL]) {
      const found = this.remembered.get(key);
      if (found && found.untilMs > this.clock.monotonic()) return found.logins;
      if (found) this.remembered.delete(key);
    }
    return undefined;
  }

  /** Answers are remembered even when they are empty: a plug-in that knows no login is not asked for each pod. */
  private async ask(image: string): Promise<readonly Login[]> {
    const answer = readAnswer(await this.run(image), this.options.apiVersion);
    const forMs = answer.cacheMs ?? this.options.defaultCacheMs;
    if (forMs > 0) {
      const key = { Image: image, Registry: registryOf(image), Global: GLOBAL }[answer.cacheKeyType];
      if (this.remembered.size >= MAX_REMEMBERED) this.remembered.delete(this.remembered.keys().next().value ?? "");
      this.remembered.set(key, { logins: answer.logins, untilMs: this.clock.monotonic() + forMs });
    }
    return answer.logins;
  }

  private async run(image: string): Promise<string> {
    const { name, apiVersion, args, env, binDir } = this.options;
    const input = JSON.stringify({ kind: "CredentialProviderRequest", apiVersion, image });
    const late = new AbortController();
    using _limit = this.clock.after(TIMEOUT_MS, () => late.abort(new Error("it did not answer within a minute")));
    const told = { input, env, signal: late.signal };
    const what = `error execing credential provider plugin ${name} for image ${image}`;
    const result = await runCommand(join(binDir, name), args, told).catch((error: Error) => {
      throw new Error(`${what}: ${error.message}`, { cause: error });
    });
    // Its standard error is for people; standard output may hold passwords and is never repeated.
    if (result.code !== 0)
      throw new Error(`${what}: exit status ${result.code}: ${result.stderr.slice(0, 1000).trim()}`);
    return result.stdout;
  }
}

/** No image is called so. */
const GLOBAL = "*global*";

/** `cacheMs` is undefined where the plug-in leaves it to the configuration. */
interface Answer {
  readonly cacheKeyType: "Image" | "Registry" | "Global";
  readonly cacheMs: number | undefined;
  readonly logins: readonly Login[];
}

/** Throws an Error, without repeating the answer, where it is none. */
export function readAnswer(text: string, apiVersion: string): Answer {
  const fields = parseFields(text);
  if (fields.kind !== "CredentialProviderResponse") {
    throw new Error(
      `failed to decode credential provider response: unexpected kind ${JSON.stringify(fields.kind ?? "")}`,
    );
  }
  if (fields.apiVersion !== apiVersion) {
    throw new Error(
      `apiVersion from credential plugin response did not match expected apiVersion:${apiVersion}, actual apiVersion:${fields.apiVersion}`,
    );
  }
  const { cacheKeyType, cacheDuration, auth } = fields;
  if (cacheKeyType !== "Image" && cacheKeyType !== "Registry" && cacheKeyType !== "Global") {
    throw new Error(`invalid cache key type from credential provider: ${JSON.stringify(cacheKeyType ?? "")}`);
  }
  const entries = Object.entries((auth ?? {}) as Record<string, { username?: string; password?: string }>);
  return {
    cacheKeyType,
    cacheMs: typeof cacheDuration === "string" ? parseDuration(cacheDuration) : undefined,
    logins: entries.map(([where, { username = "", password = "" }]) => ({ where, auth: { username, password } })),
  };
}

function parseFields(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below: a parser's own error would quote the text, and so a password.
  }
  throw new Error("failed to decode credential provider response: it is no JSON object");
}

function registryOf(image: string): string {
  return image.split("/")[0] ?? "";
}
