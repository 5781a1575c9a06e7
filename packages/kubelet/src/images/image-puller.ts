// Pulls images through the runtime: one login after another, one pull for all pods that want the same, a few at once.
import type { TokenBucket } from "@skiff/client/token-bucket.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { AuthConfig, PodSandboxConfig } from "../cri/types.ts";
import { untilAborted } from "../until-aborted.ts";
import type { PullLogin } from "./pull-secrets.ts";

/** One pull under way. */
interface SharedPull {
  readonly done: Promise<string>;
  readonly stop: AbortController;
  /** Passes of pods that want it. */
  wanted: number;
}

/** What the runtime calls the image, and the login that the registry took; undefined where it wanted none. */
export interface Pulled {
  readonly ref: string;
  readonly login: PullLogin | undefined;
}

export class ImagePuller {
  private readonly cri: Pick<CriClient, "pullImage">;
  private readonly parallel: number;
  private readonly rate: Pick<TokenBucket, "tryTake"> | undefined;
  private readonly pulls = new Map<string, SharedPull>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** `parallel` pulls at once, Infinity for no limit; `rate` undefined for none. */
  constructor(cri: Pick<CriClient, "pullImage">, parallel: number, rate?: Pick<TokenBucket, "tryTake">) {
    this.cri = cri;
    this.rate = rate;
    this.parallel = parallel;
  }

  /** One login after another, without any where there is none; rejects with all failures together. */
  async pull(
    image: string,
    logins: readonly PullLogin[],
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<Pulled> {
    const failures: Error[] = [];
    for (const login of logins.length > 0 ? logins : [undefined]) {
      try {
        return { ref: await this.pullOnce(image, login?.auth, sandbox, signal), login };
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error as Error);
      }
    }
    throw aggregate(failures);
  }

  /** Pods that want the same image with the same login share one pull, which ends when none of them wants it any more. */
  private async pullOnce(
    image: string,
    auth: AuthConfig | undefined,
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const key = `${image} ${JSON.stringify(auth ?? {})}`;
    const pull = this.pulls.get(key) ?? this.beginPull(key, image, auth, sandbox);
    pull.wanted++;
    try {
      return await untilAborted(pull.done, signal);
    } finally {
      if (--pull.wanted === 0) this.endPull(key, pull);
    }
  }

  private beginPull(key: string, image: string, auth: AuthConfig | undefined, sandbox: PodSandboxConfig): SharedPull {
    const stop = new AbortController();
    const done = this.inTurn(() => {
      stop.signal.throwIfAborted();
      // Refused rather than delayed, as upstream: the pod's back-off spreads the tries.
      if (this.rate && !this.rate.tryTake()) throw new Error("pull QPS exceeded");
      return this.cri.pullImage(image, auth, sandbox, stop.signal);
    });
    const pull = { done, stop, wanted: 0 };
    this.pulls.set(key, pull);
    const forget = () => {
      if (this.pulls.get(key) === pull) this.pulls.delete(key);
    };
    done.then(forget, forget);
    return pull;
  }

  /** Another pod that wants the image from now on begins anew. */
  private endPull(key: string, pull: SharedPull): void {
    if (this.pulls.get(key) === pull) this.pulls.delete(key);
    pull.stop.abort(new Error("nobody wants the image any more"));
  }

  /** A place among the pulls that may run at once; first come, first served. */
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.parallel) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // The place goes straight to the next in line, so the count stays.
      if (next) next();
      else this.running--;
    }
  }
}

/** As upstream joins the failures of several logins: each message once. */
function aggregate(failures: readonly Error[]): Error {
  const messages = [...new Set(failures.map(({ message }) => message))];
  const [only = ""] = messages;
  return new Error(messages.length === 1 ? only : `[${messages.join(", ")}]`, { cause: failures.at(-1) });
}
