// Makes sure that a container's image is on the node, as its pull policy says.
import type { Container, NodeStatus, Pod, Secret } from "@skiff/api/types.ts";
import { TokenBucket, type TokenBucketOptions } from "@skiff/client/token-bucket.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { BackOff } from "../back-off.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { Image, PodSandboxConfig } from "../cri/types.ts";
import type { PodObjects } from "../env/make-env.ts";
import type { PodEvents } from "../events/pod-events.ts";
import { WaitingError } from "../runtime/waiting-error.ts";
import type { CredentialProviders } from "./credential-providers/credential-providers.ts";
import { ImagePuller, type Pulled } from "./image-puller.ts";
import { withDefaultTag } from "./image-reference.ts";
import { sizeClass } from "./image-size.ts";
import type { NodeLogins } from "./node-logins.ts";
import type { PullRecords } from "./pull-records/pull-records.ts";
import { credentialsFor, type PullLogin } from "./pull-secrets.ts";

/** Pulls that fail are tried after 10 s, 20 s and so on up to 5 minutes; kubectl shows ImagePullBackOff meanwhile. */
const BACK_OFF_INITIAL_MS = 10_000;
const BACK_OFF_MAX_MS = 300_000;
const BACK_OFF_REPORT_MS = 3000;
/** The most names that upstream writes of one image in a node's status. */
const MAX_IMAGE_NAMES = 5;
/** Upstream's buckets: up to an hour. */
const PULL_SECONDS = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600];

export interface ImageManagerDeps {
  readonly cri: Pick<CriClient, "imageStatus" | "pullImage" | "listImages">;
  readonly objects: PodObjects;
  readonly events: PodEvents;
  readonly clock: Clock;
  /** Who pulled what is on the node. */
  readonly records: Pick<PullRecords, "mustPull" | "intend" | "pulled" | "failed">;
  readonly metrics: MetricsRegistry;
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
  /** Of pulls; undefined for no limit. */
  readonly rate?: TokenBucketOptions | undefined;
}

/** One container's image, wanted now: `wanted` as the pod has it, `image` completed. */
interface Request {
  readonly pod: Pod;
  readonly container: Container;
  readonly wanted: string;
  readonly image: string;
  readonly policy: string;
  readonly sandbox: PodSandboxConfig;
}

/** What was found out of a request; undefined as long as it was not. */
interface Seen {
  isPresent: boolean | undefined;
  mustPull: boolean | undefined;
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
  private readonly puller: ImagePuller;
  private readonly requests: Counter;
  private readonly pullSeconds: Histogram;

  constructor(options: ImageManagerOptions, deps: ImageManagerDeps) {
    this.options = options;
    this.deps = deps;
    this.puller = new ImagePuller(
      deps.cri,
      options.parallelPulls,
      options.rate && new TokenBucket(options.rate, deps.clock),
    );
    this.requests = deps.metrics.counter(
      "kubelet_image_manager_ensure_image_requests_total",
      "Containers whose image was looked for, by policy and outcome.",
    );
    this.pullSeconds = deps.metrics.histogram(
      "kubelet_image_pull_duration_seconds",
      "Duration in seconds to pull an image.",
      PULL_SECONDS,
    );
    this.backOff = new BackOff(BACK_OFF_INITIAL_MS, BACK_OFF_MAX_MS, deps.clock);
  }

  /** Returns the image to create the container from; throws WaitingError with upstream's reason otherwise. */
  async ensure(pod: Pod, container: Container, sandbox: PodSandboxConfig, signal: AbortSignal): Promise<Image> {
    const wanted = container.image ?? "";
    const image = this.reference(pod, container, wanted);
    // Kubernetes defaults it so: `latest` may mean another image by now, other tags are taken to stay what they are.
    const policy = container.imagePullPolicy ?? (image.endsWith(":latest") ? "Always" : "IfNotPresent");
    const seen: Seen = { isPresent: undefined, mustPull: undefined };
    try {
      return await this.ensureSeen({ pod, container, wanted, image, policy, sandbox }, seen, signal);
    } finally {
      const told = (fact: boolean | undefined) => (fact === undefined ? "unknown" : String(fact));
      const labels = { present_locally: told(seen.isPresent), pull_required: told(seen.mustPull) };
      this.requests.inc({ pull_policy: policy.toLowerCase(), ...labels });
    }
  }

  /** Fills `seen` as far as it comes. */
  private async ensureSeen(request: Request, seen: Seen, signal: AbortSignal): Promise<Image> {
    const { pod, container, wanted, image, policy } = request;
    const { events, cri, records } = this.deps;
    const present = policy === "Always" ? undefined : await cri.imageStatus(image);
    if (policy !== "Always") seen.isPresent = present !== undefined;
    // They may cost a plug-in's run, so they are looked up once, and only where they count.
    let found: Promise<PullLogin[]> | undefined;
    const logins = () => {
      found ??= this.logins(pod, image, signal);
      return found;
    };
    if (present && !(await records.mustPull(wanted, present.id, logins))) {
      seen.mustPull = false;
      const message = `Container image "${wanted}" already present on machine and can be accessed by the pod`;
      events.container(pod, container, "Normal", "Pulled", message);
      return present;
    }
    if (present || policy !== "Never") seen.mustPull = true;
    // Nothing else is said of an image that the pod may not use: it is not to learn that it is there.
    if (policy === "Never") {
      const message = `Container image "${wanted}" is not present with pull policy of Never`;
      events.container(pod, container, "Warning", "ErrImageNeverPull", message);
      throw new WaitingError("ErrImageNeverPull", message, { retryMs: BACK_OFF_INITIAL_MS });
    }
    return this.pullRecorded(request, logins, signal);
  }

  /** The record of who pulled it outlives this kubelet. */
  private async pullRecorded(
    request: Request,
    logins: () => Promise<PullLogin[]>,
    signal: AbortSignal,
  ): Promise<Image> {
    const { pod, container, wanted, image } = request;
    const { records, cri } = this.deps;
    const key = `${pod.metadata.uid}_${image}`;
    this.refuseInBackOff(pod, container, wanted, key);
    await records.intend(wanted).catch((error: Error) => {
      const why = `Failed to record image pull intent for container image "${wanted}": ${error.message}`;
      throw new WaitingError("ErrImagePull", why, { retryMs: BACK_OFF_INITIAL_MS, cause: error });
    });
    let done: { readonly id: string; readonly login: PullLogin | undefined } | undefined;
    try {
      const { ref, login } = await this.pull(request, key, await logins(), signal);
      const found = (await cri.imageStatus(ref)) ?? (await cri.imageStatus(image));
      if (!found) {
        throw new WaitingError("ErrImagePull", `image "${wanted}" is gone right after its pull`, { retryMs: 0 });
      }
      done = { id: found.id, login };
      return found;
    } finally {
      await (done ? records.pulled(wanted, done.id, done.login) : records.failed(wanted));
    }
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
    { pod, container, wanted, image, sandbox }: Request,
    key: string,
    logins: readonly PullLogin[],
    signal: AbortSignal,
  ): Promise<Pulled> {
    const { events, clock } = this.deps;
    events.container(pod, container, "Normal", "Pulling", `Pulling image "${wanted}"`);
    const startedAt = clock.monotonic();
    try {
      const pulled = await this.puller.pull(image, logins, sandbox, signal);
      const tookMs = clock.monotonic() - startedAt;
      const size = (await this.deps.cri.imageStatus(pulled.ref))?.size ?? "0";
      const took = formatSeconds(tookMs);
      const message = `Successfully pulled image "${wanted}" in ${took} (${took} including waiting). Image size: ${size} bytes.`;
      events.container(pod, container, "Normal", "Pulled", message);
      this.pullSeconds.observe(tookMs / 1000, { image_size_in_bytes: sizeClass(Number(size)) });
      this.backOff.reset(key);
      return pulled;
    } catch (error) {
      signal.throwIfAborted();
      const why = failureOf(error);
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

  /** Those that there are: without the others the registry may still let the node in. */
  private async pullSecrets(pod: Pod, signal: AbortSignal): Promise<Readonly<Secret>[]> {
    const namespace = pod.metadata.namespace ?? "";
    const names = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []));
    const reads = await Promise.allSettled(names.map((name) => this.deps.objects.secret(namespace, name, signal)));
    signal.throwIfAborted();
    const found = reads.map((read) => (read.status === "fulfilled" ? read.value : undefined));
    const missing = names.filter((_, index) => !found[index]);
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(", ")}); attempting to pull the image may not succeed.`;
      this.deps.events.pod(pod, "Warning", "FailedToRetrieveImagePullSecret", message);
    }
    return found.filter((secret) => secret !== undefined);
  }
}

/** Upstream's words: a code that only says that it is not known is left out. */
function failureOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll("rpc error: code = Unknown desc = ", "");
}

/** As Go prints a duration rounded to milliseconds: `812ms`, `1.204s`. */
function formatSeconds(ms: number): string {
  const whole = Math.round(ms);
  return whole < 1000 ? `${whole}ms` : `${whole / 1000}s`;
}
