// One credential-provider plug-in: a program that is given an image's name and answers with logins, remembered as it says.
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { runCommand } from "@skiff/component-base/command.ts";
import { parseDuration } from "@skiff/component-base/flags.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Counter, Histogram } from "@skiff/component-base/metrics.ts";
import { untilAborted } from "../../until-aborted.ts";
import type { Login } from "../pull-secrets.ts";
import { isMeantFor } from "../pull-secrets.ts";
import { type AccountSource, type PodAccount, podAccount } from "./pod-account.ts";
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

export interface ExecProviderDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly accounts: AccountSource;
  /** Of the program, however many pods wait for one run. */
  readonly runs: { readonly seconds: Histogram; readonly errors: Counter };
}

/** The answer says itself how long it holds and whether for the image, its registry or all images. */
export class ExecProvider {
  private readonly options: ExecProviderOptions;
  private readonly deps: ExecProviderDeps;
  private readonly remembered = new Map<string, Remembered>();
  private readonly asking = new Map<string, Promise<readonly Login[]>>();

  constructor(options: ExecProviderOptions, deps: ExecProviderDeps) {
    this.options = options;
    this.deps = deps;
  }

  get name(): string {
    return this.options.name;
  }

  /** `image` is registry and repository. None where the plug-in is not for it or for the pod; throws when it fails. */
  async loginsFor(image: string, pod: Pod, signal: AbortSignal): Promise<readonly Login[]> {
    const { matchImages, tokenAttributes } = this.options;
    if (!matchImages.some((where) => isMeantFor(where, image))) return [];
    const account = tokenAttributes && (await podAccount(pod, tokenAttributes, this.deps.accounts, signal));
    if (account === "refused") {
      const { namespace, name } = pod.metadata;
      this.deps.log.debug({ provider: this.name, pod: `${namespace}/${name}` }, "its account is not the plug-in's");
      return [];
    }
    const logins = this.recall(image, account) ?? (await this.askOnce(image, account, signal));
    const owner = account?.owner;
    return owner ? logins.map((login) => ({ ...login, owner })) : logins;
  }

  /** Pods that want one image at the same time share one run, so no single one of them ends it. */
  private async askOnce(
    image: string,
    account: PodAccount | undefined,
    signal: AbortSignal,
  ): Promise<readonly Login[]> {
    const key = JSON.stringify([image, account?.runKey]);
    return untilAborted(this.asking.get(key) ?? this.begin(key, image, account), signal);
  }

  private begin(key: string, image: string, account: PodAccount | undefined): Promise<readonly Login[]> {
    const running = this.ask(image, account);
    const forget = () => this.asking.delete(key);
    this.asking.set(key, running);
    running.then(forget, forget);
    return running;
  }

  private recall(image: string, account: PodAccount | undefined): readonly Login[] | undefined {
    // The narrowest first: an answer for one image goes before one for everything.
    for (const base of [image, registryOf(image), GLOBAL]) {
      const key = cacheKey(base, account);
      const found = this.remembered.get(key);
      if (found && found.untilMs > this.deps.clock.monotonic()) return found.logins;
      if (found) this.remembered.delete(key);
    }
    return undefined;
  }

  /** Answers are remembered even when they are empty: a plug-in that knows no login is not asked for each pod. */
  private async ask(image: string, account: PodAccount | undefined): Promise<readonly Login[]> {
    const answer = readAnswer(await this.run(image, account), this.options.apiVersion);
    this.refuseEcho(answer, image, account);
    const forMs = answer.cacheMs ?? this.options.defaultCacheMs;
    if (forMs > 0) {
      const base = { Image: image, Registry: registryOf(image), Global: GLOBAL }[answer.cacheKeyType];
      if (this.remembered.size >= MAX_REMEMBERED) this.remembered.delete(this.remembered.keys().next().value ?? "");
      const untilMs = this.deps.clock.monotonic() + forMs;
      this.remembered.set(cacheKey(base, account), { logins: answer.logins, untilMs });
    }
    return answer.logins;
  }

  /** A pod's own token must not become the login of every pod of its account. */
  private refuseEcho(answer: Answer, image: string, account: PodAccount | undefined): void {
    if (!account || this.options.tokenAttributes?.cacheType === "Token") return;
    if (answer.logins.every(({ auth }) => auth.password !== account.token)) return;
    throw new Error(
      `Credential provider plugin returned the service account token as the password for image ${JSON.stringify(image)}, which is not allowed when service account cache type is not set to 'Token'`,
    );
  }

  private async run(image: string, account: PodAccount | undefined): Promise<string> {
    const { name, apiVersion, args, env, binDir } = this.options;
    const { clock, runs } = this.deps;
    const input = JSON.stringify({ kind: "CredentialProviderRequest", apiVersion, image, ...told(account) });
    const late = new AbortController();
    using _limit = clock.after(TIMEOUT_MS, () => late.abort(new Error("it did not answer within a minute")));
    const what = `error execing credential provider plugin ${name} for image ${image}`;
    const startedAt = clock.monotonic();
    try {
      const result = await runCommand(join(binDir, name), args, { input, env, signal: late.signal });
      // Its standard error is for people; standard output may hold passwords and is never repeated.
      if (result.code !== 0) throw new Error(`exit status ${result.code}: ${result.stderr.slice(0, 1000).trim()}`);
      return result.stdout;
    } catch (error) {
      runs.errors.inc({ plugin_name: name });
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    } finally {
      runs.seconds.observe((clock.monotonic() - startedAt) / 1000, { plugin_name: name });
    }
  }
}

function cacheKey(base: string, account: PodAccount | undefined): string {
  return JSON.stringify([base, account?.cacheKey]);
}

function told(account: PodAccount | undefined): object {
  if (!account) return {};
  const { token, annotations } = account;
  const hasAny = Object.keys(annotations).length > 0;
  return { serviceAccountToken: token, ...(hasAny ? { serviceAccountAnnotations: annotations } : {}) };
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
