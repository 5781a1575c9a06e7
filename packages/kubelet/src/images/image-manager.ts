// Makes sure that a container's image is on the node, as its pull policy says.
import type { Container, NodeStatus, Pod, Secret } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { BackOff } from "../back-off.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { AuthConfig, Image, PodSandboxConfig } from "../cri/types.ts";
import type { PodObjects } from "../env/make-env.ts";
import type { PodEvents } from "../events/pod-events.ts";
import { WaitingError } from "../runtime/waiting-error.ts";
import type { CredentialProviders } from "./credential-providers/credential-providers.ts";
import { withDefaultTag } from "./image-reference.ts";
import type { NodeLogins } from "./node-logins.ts";
import { credentialsFor, type PullLogin } from "./pull-secrets.ts";

/** Pulls that fail are tried after 10 s, 20 s and so on up to 5 minutes; kubectl shows ImagePullBackOff meanwhile. */
const BACK_OFF_INITIAL_MS = 10_000;
const BACK_OFF_MAX_MS = 300_000;
const BACK_OFF_REPORT_MS = 3000;
/** The most names that upstream writes of one image in a node's status. */
const MAX_IMAGE_NAMES = 5;

export interface ImageManagerDeps {
  readonly cri: Pick<CriClient, "imageStatus" | "pullImage" | "listImages">;
  readonly objects: PodObjects;
  readonly events: PodEvents;
  readonly clock: Clock;
  /** The node's own logins, tried after those of the pod: of files, then of plug-ins, as upstream. */
  readonly nodeLogins?: Pick<NodeLogins, "credentialsFor"> | undefined;
  readonly providers?: Pick<CredentialProviders, "credentialsFor"> | undefined;
}

/** From the configuration. */
export interface ImageManagerOptions {
  /** At once; Infinity for no limit. */
  readonly parallelPulls: number;
  /** Images in the node's status; -1 for all. */
  readonly maxNodeImages: number;
}

/** One pull under way. */
interface SharedPull {
  readonly done: Promise<string>;
  readonly stop: AbortController;
  /** Passes of pods that want it. */
  wanted: number;
}

/**
 * Pull policies as Kubernetes has them: Always asks the registry each time, which costs little for layers that are
 * there.
 */
export class ImageManager {
  private readonly options: ImageManagerOptions;
  private readonly deps: ImageManagerDeps;
  private readonly backOff: BackOff;
  private readonly lastError = new Map<string, string>();
  private readonly pulls = new Map<string, SharedPull>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(options: ImageManagerOptions, deps: ImageManagerDeps) {
    this.options = options;
    this.deps = deps;
    this.backOff = new BackOff(BACK_OFF_INITIAL_MS, BACK_OFF_MAX_MS, deps.clock);
  }

  /** Returns the image to create the container from; throws WaitingError with upstream's reason otherwise. */
  async ensure(pod: Pod, container: Container, sandbox: PodSandboxConfig, signal: AbortSignal): Promise<Image> {
    const { events, cri } = this.deps;
    const wanted = container.image ?? "";
    const image = this.reference(pod, container, wanted);
    // Kubernetes defaults it so: `latest` may mean another image by now, other tags are taken to stay what they are.
    const policy = container.imagePullPolicy ?? (image.endsWith(":latest") ? "Always" : "IfNotPresent");
    const present = await cri.imageStatus(image);
    if (present && policy !== "Always") {
      const message = `Container image "${wanted}" already present on machine and can be accessed by the pod`;
      events.container(pod, container, "Normal", "Pulled", message);
      return present;
    }
    if (policy === "Never") {
      const message = `Container image "${wanted}" is not present with pull policy of Never`;
      events.container(pod, container, "Warning", "ErrImageNeverPull", message);
      throw new WaitingError("ErrImageNeverPull", message, { retryMs: BACK_OFF_INITIAL_MS });
    }
    const key = `${pod.metadata.uid}_${image}`;
    this.refuseInBackOff(pod, container, wanted, key);
    const pulled = await this.pull(pod, container, image, key, sandbox, signal);
    const found = (await cri.imageStatus(pulled)) ?? (await cri.imageStatus(image));
    if (!found)
      throw new WaitingError("ErrImagePull", `image "${wanted}" is gone right after its pull`, { retryMs: 0 });
    return found;
  }

  /** The node's images for node.status, largest first. */
  async nodeImages(): Promise<NonNullable<NodeStatus["images"]>> {
    const images = await this.deps.cri.listImages();
    const bySize = images.sort((a, b) => Number(b.size) - Number(a.size));
    const { maxNodeImages } = this.options;
    const shown = maxNodeImages < 0 ? bySize : bySize.slice(0, maxNodeImages);
    return shown.map((image) => ({
      names: [...image.repoDigests, ...image.repoTags].slice(0, MAX_IMAGE_NAMES),
      sizeBytes: Number(image.size),
    }));
  }

  /** Forgets failures that are so old that they no longer count. */
  collect(): void {
    this.backOff.collect();
    for (const key of this.lastError.keys()) if (this.backOff.get(key) === 0) this.lastError.delete(key);
  }

  private reference(pod: Pod, container: Container, wanted: string): string {
    try {
      return withDefaultTag(wanted);
    } catch (error) {
      const why = `couldn't parse image name "${wanted}": ${(error as Error).message}`;
      const message = `Failed to apply default image tag "${wanted}": ${why}`;
      this.deps.events.container(pod, container, "Warning", "InspectFailed", message);
      throw new WaitingError("InvalidImageName", message, { retryMs: BACK_OFF_INITIAL_MS });
    }
  }

  private refuseInBackOff(pod: Pod, container: Container, wanted: string, key: string): void {
    const retryMs = this.backOff.remaining(key);
    if (retryMs === 0) return;
    this.deps.events.container(pod, container, "Normal", "BackOff", `Back-off pulling image "${wanted}"`);
    const why = this.lastError.get(key);
    const message = `Back-off pulling image "${wanted}"${why ? `: ErrImagePull: ${why}` : ""}`;
    throw new WaitingError("ImagePullBackOff", message, { retryMs });
  }

  private async pull(
    pod: Pod,
    container: Container,
    image: string,
    key: string,
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const { events, clock } = this.deps;
    const wanted = container.image ?? "";
    events.container(pod, container, "Normal", "Pulling", `Pulling image "${wanted}"`);
    const startedAt = clock.monotonic();
    const logins = await this.logins(pod, image, signal);
    try {
      const ref = await this.pullWithAny(image, logins, sandbox, signal);
      const tookMs = clock.monotonic() - startedAt;
      const size = (await this.deps.cri.imageStatus(ref))?.size ?? "0";
      const took = formatSeconds(tookMs);
      const message = `Successfully pulled image "${wanted}" in ${took} (${took} including waiting). Image size: ${size} bytes.`;
      events.container(pod, container, "Normal", "Pulled", message);
      this.backOff.reset(key);
      return ref;
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      events.container(pod, container, "Warning", "Failed", `Failed to pull image "${wanted}": ${why}`);
      this.backOff.next(key, clock.now());
      this.lastError.set(key, why);
      // The next pass finds the back-off and says so.
      throw new WaitingError("ErrImagePull", why, { retryMs: BACK_OFF_REPORT_MS, cause: error });
    }
  }

  private async logins(pod: Pod, image: string, signal: AbortSignal): Promise<PullLogin[]> {
    return [
      ...credentialsFor(image, await this.pullSecrets(pod, signal)),
      ...((await this.deps.nodeLogins?.credentialsFor(image)) ?? []),
      ...((await this.deps.providers?.credentialsFor(image, pod, signal)) ?? []),
    ];
  }

  private async pullSecrets(pod: Pod, signal: AbortSignal): Promise<Readonly<Secret>[]> {
    const refs = pod.spec?.imagePullSecrets ?? [];
    const namespace = pod.metadata.namespace ?? "";
    const found = await Promise.all(refs.map(({ name = "" }) => this.deps.objects.secret(namespace, name, signal)));
    return found.filter((secret) => secret !== undefined);
  }

  /** One login after another, without any where there is none; rejects with all failures together. */
  private async pullWithAny(
    image: string,
    logins: readonly PullLogin[],
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const failures: Error[] = [];
    for (const login of logins.length > 0 ? logins : [undefined]) {
      try {
        return await this.pullOnce(image, login?.auth, sandbox, signal);
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
    const leaving = Promise.withResolvers<never>();
    const leave = () => leaving.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([pull.done, leaving.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      if (--pull.wanted === 0) this.endPull(key, pull);
    }
  }

  private beginPull(key: string, image: string, auth: AuthConfig | undefined, sandbox: PodSandboxConfig): SharedPull {
    const stop = new AbortController();
    const done = this.inTurn(() => {
      stop.signal.throwIfAborted();
      return this.deps.cri.pullImage(image, auth, sandbox, stop.signal);
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
    if (this.running >= this.options.parallelPulls) await new Promise<void>((resolve) => this.waiting.push(resolve));
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

/** As Go prints a duration rounded to milliseconds: `812ms`, `1.204s`. */
function formatSeconds(ms: number): string {
  const whole = Math.round(ms);
  return whole < 1000 ? `${whole}ms` : `${whole / 1000}s`;
}
