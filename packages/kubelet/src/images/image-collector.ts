// Removes images that nobody uses: when the disk fills up, when they grow old, and when eviction asks for space.
import { statfs } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Counter, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { Container, Image } from "../cri/types.ts";
import type { PullRecords } from "./pull-records/pull-records.ts";

/** `minAgeMs` counts from when an image was first seen, `maxAgeMs` from when it was last used. */
export interface ImageCollectorOptions {
  /** Percentages of the image file system in use: from `high` on images go until `low` is reached. */
  readonly highPercent: number;
  readonly lowPercent: number;
  readonly minAgeMs: number;
  /** 0 for no limit. */
  readonly maxAgeMs: number;
  /** Never removed, whatever the runtime says of it; empty where the runtime tells by itself. */
  readonly sandboxImage: string;
}

export interface ImageCollectorDeps {
  readonly cri: Pick<CriClient, "listImages" | "listContainers" | "removeImage" | "imageFsInfo" | "runtimeInfo">;
  readonly events: { warn(reason: string, message: string): void };
  /** Of who pulled what: they end with the images. */
  readonly records: Pick<PullRecords, "prune">;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  /** For tests: bytes of the file system at `path`. */
  readonly readFs?: (path: string) => Promise<{ capacity: number; available: number }>;
}

/** Upstream's interval. */
const PERIOD_MS = 5 * 60_000;

/** Of one image by id; times are monotonic. */
interface ImageRecord {
  readonly firstSeen: number;
  lastUsed: number;
  size: number;
  pinned: boolean;
}

/** Goes by what the runtime lists: an image that was pulled by hand is collected like any other unless it is pinned. */
export class ImageCollector {
  private readonly options: ImageCollectorOptions;
  private readonly deps: ImageCollectorDeps;
  private readonly records = new Map<string, ImageRecord>();
  private readonly collected: Counter;
  private readonly startedAt: number;
  private sandboxImage: string;
  private hasFailed = false;

  constructor(options: ImageCollectorOptions, deps: ImageCollectorDeps) {
    this.options = options;
    this.deps = deps;
    this.sandboxImage = options.sandboxImage;
    this.startedAt = deps.clock.monotonic();
    this.collected = deps.metrics.counter(
      "kubelet_image_garbage_collected_total",
      "Images that were removed, by reason: the disk was short of room, or their age.",
    );
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    // Seen early, so that ages count from the start.
    await this.detect(this.deps.clock.monotonic()).catch(() => {});
    while (!signal.aborted) {
      await this.deps.clock.sleep(PERIOD_MS, signal).catch(() => {});
      if (!signal.aborted) await this.attempt();
    }
  }

  private async attempt(): Promise<void> {
    try {
      await this.collect();
      await this.pruneRecords();
      this.hasFailed = false;
    } catch (error) {
      this.deps.log.warn({ err: error }, "images could not be collected, trying again");
      // As upstream: the first failure may be a runtime that is not up yet.
      if (this.hasFailed) this.deps.events.warn("ImageGCFailed", (error as Error).message);
      this.hasFailed = true;
    }
  }

  /** One round: the old ones first, then as many as the disk's fill level asks for. */
  async collect(): Promise<void> {
    await this.removeAged();
    const [info] = await this.deps.cri.imageFsInfo();
    const path = info?.fsId?.mountpoint ?? "/";
    const { capacity, available } = await (this.deps.readFs ?? readFs)(path);
    if (capacity === 0) {
      this.deps.events.warn("InvalidDiskCapacity", "invalid capacity 0 on image filesystem");
      throw new Error("invalid capacity 0 on image filesystem");
    }
    const usedPercent = 100 - Math.floor((available * 100) / capacity);
    if (usedPercent < this.options.highPercent) return;
    const wanted = Math.ceil((capacity * (100 - this.options.lowPercent)) / 100) - available;
    this.deps.log.info(
      { path, usedPercent, wantedBytes: wanted },
      "disk usage is over the high threshold, removing images",
    );
    const freed = await this.free(wanted, "space");
    if (freed >= wanted) return;
    const message = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${freed} bytes eligible to free.`;
    this.deps.events.warn("FreeDiskSpaceFailed", message);
    throw new Error(message);
  }

  /** Removes every image that is not used and old enough, and returns their bytes. */
  removeUnused(): Promise<number> {
    return this.free(Number.POSITIVE_INFINITY, "space");
  }

  private async pruneRecords(): Promise<void> {
    const asOf = this.deps.clock.now();
    const images = await this.deps.cri.listImages();
    const ids = images.map(({ id }) => id);
    await this.deps.records.prune(ids, asOf);
  }

  private async removeAged(): Promise<void> {
    const { maxAgeMs } = this.options;
    const { clock } = this.deps;
    // A kubelet that was just started does not know how long an image has been idle.
    if (maxAgeMs === 0 || clock.monotonic() - this.startedAt < maxAgeMs) return;
    const now = clock.monotonic();
    const inUse = await this.detect(now);
    for (const [id, record] of this.records) {
      if (inUse.has(id) || record.pinned || now - record.lastUsed < maxAgeMs) continue;
      await this.remove(id, "age").catch((error) => this.deps.log.warn({ err: error, image: id }, "image not removed"));
    }
  }

  private async free(wantedBytes: number, reason: "space"): Promise<number> {
    const startedAt = this.deps.clock.monotonic();
    const inUse = await this.detect(startedAt);
    const idle = [...this.records].filter(([id, record]) => !inUse.has(id) && !record.pinned);
    let freed = 0;
    const failures: unknown[] = [];
    for (const [id, record] of idle.sort(([, a], [, b]) => a.lastUsed - b.lastUsed || a.firstSeen - b.firstSeen)) {
      // One that was just pulled has no container yet and would be pulled again at once.
      if (record.lastUsed >= startedAt || startedAt - record.firstSeen < this.options.minAgeMs) continue;
      try {
        await this.remove(id, reason);
        freed += record.size;
      } catch (error) {
        failures.push(error);
      }
      if (freed >= wantedBytes) break;
    }
    if (failures.length > 0 && freed < wantedBytes) {
      throw new Error(
        `wanted to free ${wantedBytes} bytes, but freed ${freed} bytes space with errors in image deletion: ${failures.map((error) => (error as Error).message).join(", ")}`,
      );
    }
    return freed;
  }

  private async remove(id: string, reason: "age" | "space"): Promise<void> {
    await this.deps.cri.removeImage(id);
    this.records.delete(id);
    this.collected.inc({ reason });
    this.deps.log.info({ image: id, reason }, "removed unused image");
  }

  /** Brings the records up to date as of `now`; returns the ids of the images in use. */
  private async detect(now: number): Promise<Set<string>> {
    const { cri } = this.deps;
    const sandboxImage = await this.learnSandboxImage();
    const [images, containers] = await Promise.all([cri.listImages(), cri.listContainers()]);
    const inUse = imagesInUse(images, containers, sandboxImage);
    const present = new Set(images.map((image) => image.id));
    for (const id of this.records.keys()) if (!present.has(id)) this.records.delete(id);
    for (const image of images) {
      const record = this.records.get(image.id) ?? { firstSeen: now, lastUsed: 0, size: 0, pinned: false };
      if (inUse.has(image.id)) record.lastUsed = now;
      record.size = Number(image.size);
      record.pinned = image.pinned;
      this.records.set(image.id, record);
    }
    return inUse;
  }

  /** containerd before 1.7 does not pin the image of its sandboxes, but tells its name. */
  private async learnSandboxImage(): Promise<string> {
    if (!this.sandboxImage) this.sandboxImage = sandboxImageOf(await this.deps.cri.runtimeInfo().catch(() => ({})));
    return this.sandboxImage;
  }
}

/** By id. A container may name its image by id, by tag or by digest. */
export function imagesInUse(
  images: readonly Image[],
  containers: readonly Pick<Container, "imageRef" | "image">[],
  sandboxImage: string,
): Set<string> {
  const named = new Set([sandboxImage, ...containers.flatMap(({ imageRef, image }) => [imageRef, image?.image ?? ""])]);
  const isNamed = ({ id, repoTags, repoDigests }: Image) =>
    [id, ...repoTags, ...repoDigests].some((name) => named.has(name));
  return new Set(images.filter(isNamed).map(({ id }) => id));
}

/** From the runtime's verbose status; "" where it does not tell, which an old one may not. */
export function sandboxImageOf(info: Readonly<Record<string, string>>): string {
  try {
    const { sandboxImage } = JSON.parse(info.config ?? "{}") as { sandboxImage?: string };
    return sandboxImage ?? "";
  } catch {
    return "";
  }
}

async function readFs(path: string): Promise<{ capacity: number; available: number }> {
  const { blocks, bavail, bsize } = await statfs(path);
  return { capacity: blocks * bsize, available: bavail * bsize };
}
