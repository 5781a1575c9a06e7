// Which images on the node want a login to be shown before a pod may use them, by the configuration. Pure.
import { parseImageReference } from "../image-reference.ts";

/** Upstream's imagePullCredentialsVerificationPolicy. */
export const VERIFICATION_POLICIES = [
  "NeverVerify",
  "NeverVerifyPreloadedImages",
  "NeverVerifyAllowlistedImages",
  "AlwaysVerify",
] as const;

export type VerificationPolicy = (typeof VERIFICATION_POLICIES)[number];

/** `allowlist` counts for NeverVerifyAllowlistedImages alone: names without tag, or with `/*` all below a prefix. */
export interface VerificationOptions {
  readonly policy: VerificationPolicy;
  readonly allowlist: readonly string[];
}

/** `isPulled`: the kubelet has pulled it itself, so that it was not put on the node for everybody. */
export function needsVerification(
  image: string,
  isPulled: boolean,
  { policy, allowlist }: VerificationOptions,
): boolean {
  switch (policy) {
    case "NeverVerify":
      return false;
    case "NeverVerifyPreloadedImages":
      return isPulled;
    case "NeverVerifyAllowlistedImages":
      return !allowlist.some((pattern) => isAllowed(image, pattern));
    case "AlwaysVerify":
      return true;
  }
}

/** The name of an image without tag and digest, complete as records have it: `docker.io/library/nginx`. */
export function bareName(image: string): string {
  const { registry, repository } = parseImageReference(image);
  return `${registry}/${repository}`;
}

function isAllowed(image: string, pattern: string): boolean {
  const name = bareName(image);
  return pattern.endsWith("/*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** What is wrong with a pattern, in upstream's words. */
export function allowlistProblem(pattern: string): string | undefined {
  if (pattern !== pattern.trim()) return `leading/trailing spaces are not allowed: ${pattern}`;
  const isWildcard = pattern.endsWith("/*");
  const bare = isWildcard ? pattern.slice(0, -1) : pattern;
  if (bare === "") return `the supplied pattern is too short: ${pattern}`;
  if (bare.includes("*")) {
    return `not a valid wildcard pattern, only patterns ending with '/*' are allowed: ${pattern}`;
  }
  if (isWildcard) return bare.length === 1 ? "at least registry hostname is required" : undefined;
  try {
    return bareName(bare) === bare ? undefined : `neither tag nor digest is accepted in an image reference: ${pattern}`;
  } catch (error) {
    return `failed to parse as an image name: ${(error as Error).message}`;
  }
}
