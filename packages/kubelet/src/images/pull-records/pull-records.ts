// Remembers which logins the node's images were pulled with, so that a pod uses no private image that it may not pull itself.
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Counter, Gauge, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CriClient } from "../../cri/cri-client.ts";
import type { PullLogin } from "../pull-secrets.ts";
import { matchLogins, mergeCredentials, type PullCredentials, recordedLogin } from "./pull-credentials.ts";
import { type PulledRecord, RecordFiles } from "./record-files.ts";
import { bareName, needsVerification, type VerificationOptions } from "./verification-policy.ts";

export interface PullRecordsOptions extends VerificationOptions {
  /** `image_manager` in the kubelet's root. */
  readonly dir: string;
}

export interface PullRecordsDeps {
  readonly cri: Pick<CriClient, "listImages">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/** How a check went, as upstream's metric counts it. */
type Verdict = "credentialPolicyAllowed" | "credentialRecordFound" | "mustAuthenticate" | "error";

/**
 * Intents are written before a pull and records after it, so that an image whose kubelet died between the two is known
 * as pulled, by nobody in particular.
 */
export class PullRecords {
  private readonly options: PullRecordsOptions;
  private readonly deps: PullRecordsDeps;
  private readonly files: RecordFiles;
  private readonly checks: Counter;
  private readonly intentFiles: Gauge;
  private readonly recordFiles: Gauge;
  /** Pulls under way by image. */
  private readonly pulling = new Map<string, number>();
  private tail: Promise<unknown> = Promise.resolve();
  private isSettled = false;

  constructor(options: PullRecordsOptions, deps: PullRecordsDeps) {
    this.options = options;
    this.deps = deps;
    this.files = new RecordFiles(options.dir);
    const { metrics } = deps;
    this.checks = metrics.counter(
      "kubelet_imagemanager_image_mustpull_checks_total",
      "Checks whether a pod may use an image that is on the node, by how they ended.",
    );
    this.intentFiles = metrics.gauge("kubelet_imagemanager_ondisk_pullintents", "Files that tell of pulls under way.");
    this.recordFiles = metrics.gauge(
      "kubelet_imagemanager_ondisk_pulledrecords",
      "Files that tell by which logins an image was pulled.",
    );
  }

  /**
   * Whether a pod must pull `image`, as its container names it, although it is on the node as `imageRef`. `logins` are
   * asked for only where they count; when that rejects, so does this.
   */
  async mustPull(image: string, imageRef: string, logins: () => Promise<readonly PullLogin[]>): Promise<boolean> {
    let verdict: Verdict = "error";
    try {
      verdict = await this.judge(image, imageRef, logins);
    } finally {
      this.checks.inc({ result: verdict });
    }
    return verdict === "mustAuthenticate" || verdict === "error";
  }

  /** Before a pull; rejects where it cannot be noted. `pulled` or `failed` must follow. */
  async intend(image: string): Promise<void> {
    await this.inTurn(async () => {
      await this.files.writeIntent(image);
      this.pulling.set(image, (this.pulling.get(image) ?? 0) + 1);
      await this.count();
    });
  }

  /** `login` is the one that the registry took; undefined where it wanted none. */
  async pulled(image: string, imageRef: string, login: PullLogin | undefined): Promise<void> {
    await this.inTurn(async () => {
      // An intent that stays is still enough to know that the image came by a pull.
      if (await this.record(image, imageRef, recordedLogin(login))) await this.endIntent(image);
    });
  }

  async failed(image: string): Promise<void> {
    await this.inTurn(() => this.endIntent(image));
  }

  /** Forgets images that are no longer on the node; records that are newer than the look at it (in ms) stay. */
  async prune(imageRefs: readonly string[], asOf: number): Promise<void> {
    await this.inTurn(async () => {
      const present = new Set(imageRefs);
      const seconds = Math.floor(asOf / 1000) * 1000;
      const onError = (error: unknown) => this.deps.log.error({ err: error }, "a record of a pull cannot be read");
      for (const { imageRef, lastUpdatedTime } of await this.files.records(onError)) {
        if (!present.has(imageRef) && Date.parse(lastUpdatedTime) < seconds) await this.files.deleteRecord(imageRef);
      }
      await this.count();
    }).catch((error) => this.deps.log.error({ err: error }, "records of pulls could not be tidied up"));
  }

  private async judge(image: string, imageRef: string, logins: () => Promise<readonly PullLogin[]>): Promise<Verdict> {
    let record: PulledRecord | undefined;
    let isPulled: boolean;
    try {
      record = await this.inTurn(() => this.files.record(imageRef));
      isPulled = record !== undefined || this.pulling.has(image) || (await this.files.hasIntent(image));
    } catch (error) {
      this.deps.log.error({ err: error, image }, "the record of an image's pull cannot be read");
      return "error";
    }
    if (!needsVerification(image, isPulled, this.options)) return "credentialPolicyAllowed";
    const known = record?.credentialMapping[bareName(image)];
    if (known?.nodePodsAccessible) return "credentialRecordFound";
    if (!known || isEmpty(known)) return "mustAuthenticate";
    const { found, learn } = matchLogins(known, await logins());
    if (learn) await this.inTurn(() => this.record(image, imageRef, learn));
    return found ? "credentialRecordFound" : "mustAuthenticate";
  }

  /** False where it could not be written. */
  private async record(image: string, imageRef: string, more: PullCredentials | undefined): Promise<boolean> {
    try {
      // One that cannot be read is replaced.
      const before = await this.files.record(imageRef).catch(() => undefined);
      const credentialMapping = withCredentials(before?.credentialMapping ?? {}, bareName(image), more);
      if (before && credentialMapping === before.credentialMapping) return true;
      const lastUpdatedTime = formatTime(this.deps.clock.now());
      await this.files.writeRecord({ imageRef, lastUpdatedTime, credentialMapping });
      await this.count();
      return true;
    } catch (error) {
      this.deps.log.error({ err: error, image, imageRef }, "the record of an image's pull could not be written");
      return false;
    }
  }

  private async endIntent(image: string): Promise<void> {
    const others = (this.pulling.get(image) ?? 1) - 1;
    if (others > 0) {
      this.pulling.set(image, others);
      return;
    }
    try {
      await this.files.deleteIntent(image);
      this.pulling.delete(image);
      await this.count();
    } catch (error) {
      this.deps.log.error({ err: error, image }, "the note of a pull could not be removed");
    }
  }

  /** Records are read, changed and written: one at a time. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const settled = () => this.settle().then(work);
    const mine = this.tail.then(settled, settled);
    this.tail = mine.catch(() => {});
    return mine;
  }

  /** What an earlier kubelet began to pull and the runtime has by now becomes a record without logins. */
  private async settle(): Promise<void> {
    if (this.isSettled) return;
    this.isSettled = true;
    const { cri, log } = this.deps;
    try {
      const intents = await this.files.intents((error) => log.error({ err: error }, "note of a pull cannot be read"));
      if (intents.length > 0) {
        for (const { id, repoTags, repoDigests } of await cri.listImages()) {
          const names = [...repoDigests, ...repoTags].filter((name) => intents.includes(name));
          for (const name of names) {
            if (await this.record(name, id, undefined)) await this.files.deleteIntent(name);
          }
        }
      }
      await this.count();
    } catch (error) {
      // The intents stay, and images count as pulled by them.
      log.error({ err: error }, "pulls that an earlier kubelet began could not be looked up");
    }
  }

  private async count(): Promise<void> {
    try {
      const { intents, records } = await this.files.sizes();
      this.intentFiles.set(intents);
      this.recordFiles.set(records);
    } catch (error) {
      // Only figures: the next change counts anew.
      this.deps.log.debug({ err: error }, "records of pulls could not be counted");
    }
  }
}

function isEmpty({ kubernetesSecrets = [], kubernetesServiceAccounts = [] }: PullCredentials): boolean {
  return kubernetesSecrets.length === 0 && kubernetesServiceAccounts.length === 0;
}

/** The same object where nothing is new. */
function withCredentials(
  mapping: PulledRecord["credentialMapping"],
  name: string,
  more: PullCredentials | undefined,
): PulledRecord["credentialMapping"] {
  if (!more) return mapping;
  const merged = mergeCredentials(mapping[name], more);
  return merged === mapping[name] ? mapping : { ...mapping, [name]: merged };
}
