// Older versions that say the same as the stored one, so that only the apiVersion differs.
import type { ServedVersion } from "../../kind.ts";

/** `since` and `gone` are the releases that deprecated and dropped the version. */
export function sameAs(version: string, model: string, since: string, gone: string): ServedVersion {
  return { version, model, deprecated: [since, gone], toStored: (object) => object, fromStored: (object) => object };
}
