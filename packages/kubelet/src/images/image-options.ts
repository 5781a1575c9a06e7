// How images are pulled and told of, from the configuration. Pure.
import { join } from "node:path";
import type { Settings } from "../configuration/fields.ts";
import type { ImageManagerOptions } from "./image-manager.ts";
import type { PullRecordsOptions } from "./pull-records/pull-records.ts";
import { VERIFICATION_POLICIES } from "./pull-records/verification-policy.ts";

type Pulls = Pick<
  Settings,
  "serializeImagePulls" | "maxParallelImagePulls" | "nodeStatusMaxImages" | "registryPullQPS" | "registryBurst"
>;

/** One pull at a time unless told otherwise: upstream's default, which spares slow disks. */
export function imageOptions(settings: Pulls): ImageManagerOptions {
  const { serializeImagePulls, maxParallelImagePulls, nodeStatusMaxImages } = settings;
  const { registryPullQPS: perSecond, registryBurst: burst } = settings;
  const parallelPulls = serializeImagePulls ? 1 : (maxParallelImagePulls ?? Number.POSITIVE_INFINITY);
  const rate = perSecond > 0 ? { perSecond, burst } : undefined;
  return { parallelPulls, maxNodeImages: nodeStatusMaxImages, rate };
}

type Verification = Pick<Settings, "imagePullCredentialsVerificationPolicy" | "preloadedImagesVerificationAllowlist">;

/** Records lie where upstream's kubelet has them, so that a node can change from one to the other. */
export function recordOptions(settings: Verification, rootDir: string): PullRecordsOptions {
  const given = settings.imagePullCredentialsVerificationPolicy;
  return {
    dir: join(rootDir, "image_manager"),
    // It was validated with the rest.
    policy: VERIFICATION_POLICIES.find((policy) => policy === given) ?? "NeverVerifyPreloadedImages",
    allowlist: settings.preloadedImagesVerificationAllowlist,
  };
}
