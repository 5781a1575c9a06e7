// How images are pulled and told of, from the configuration. Pure.
import type { Settings } from "../configuration/fields.ts";
import type { ImageManagerOptions } from "./image-manager.ts";

type Pulls = Pick<Settings, "serializeImagePulls" | "maxParallelImagePulls" | "nodeStatusMaxImages">;

/** One pull at a time unless told otherwise: upstream's default, which spares slow disks. */
export function imageOptions(settings: Pulls): ImageManagerOptions {
  const { serializeImagePulls, maxParallelImagePulls, nodeStatusMaxImages } = settings;
  const parallelPulls = serializeImagePulls ? 1 : (maxParallelImagePulls ?? Number.POSITIVE_INFINITY);
  return { parallelPulls, maxNodeImages: nodeStatusMaxImages };
}
