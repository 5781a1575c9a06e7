// ImageLocality: nodes that have the pod's images already are better, less so the rarer an image is.
import type { Pod } from "@skiff/api/types.ts";
import type { ScorePlugin } from "../framework/plugin.ts";
import { MAX_NODE_SCORE } from "../framework/plugin.ts";

const MIB = 1024 * 1024;
/** Upstream's minThreshold and maxContainerThreshold: less is not worth it, and more per container counts no further. */
const MIN_BYTES = 23 * MIB;
const MAX_BYTES_PER_CONTAINER = 1000 * MIB;

export const imageLocality = {
  name: "ImageLocality",
  score({ pod }, node, _state, snapshot) {
    if (node.images.size === 0) return 0;
    const images = imagesOf(pod);
    let bytes = 0;
    for (const image of images) {
      const size = node.images.get(image);
      // Else all replicas would flock to the one node that has it.
      if (size) bytes += Math.floor((size * snapshot.nodesWithImage(image)) / snapshot.nodes.length);
    }
    const maxBytes = MAX_BYTES_PER_CONTAINER * images.length;
    const counted = Math.min(Math.max(bytes, MIN_BYTES), maxBytes);
    return Math.floor((MAX_NODE_SCORE * (counted - MIN_BYTES)) / (maxBytes - MIN_BYTES));
  },
} satisfies ScorePlugin;

function imagesOf({ spec }: Readonly<Pod>): string[] {
  return [...spec.containers, ...(spec.initContainers ?? [])].map(({ image = "" }) => normalizedImage(image));
}

/** Nodes list images with their tags, pods may leave `:latest` out. */
export function normalizedImage(image: string): string {
  const hasTagOrDigest = image.lastIndexOf(":") > image.lastIndexOf("/") || image.includes("@");
  return hasTagOrDigest ? image : `${image}:latest`;
}
