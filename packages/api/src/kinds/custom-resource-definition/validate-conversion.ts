// How objects of one version become those of another. Errors stand where upstream's own form of the type has the fields.
import type { CustomResourceConversion } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { requiredWord } from "../../validation/field-rules.ts";
import { isDns1035Label } from "../../validation/names.ts";
import { type FieldPath, forbiddenField, invalidAll, invalidValue, required } from "../../validation/path.ts";
import { validateClientConfig } from "../admission/validate-client-config.ts";

/** Objects are read in any served version; a webhook makes one version of another, on every read that needs it. */
export function validateConversion(
  conversion: CustomResourceConversion | undefined,
  path: FieldPath,
  requireKnownReview: boolean,
): FieldError[] {
  if (!conversion) return [];
  const { strategy, webhook } = conversion;
  const errors = requiredWord(strategy, ["None", "Webhook"], path.child("strategy"));
  const config = webhook?.clientConfig;
  const reviews = webhook?.conversionReviewVersions ?? [];
  const configPath = path.child("webhookClientConfig");
  const reviewsPath = path.child("conversionReviewVersions");
  if (strategy === "Webhook") {
    if (config) errors.push(...validateClientConfig(config, configPath));
    else errors.push(required(configPath, "required when strategy is set to Webhook"));
    return [...errors, ...validateReviewVersions(reviews, reviewsPath, requireKnownReview)];
  }
  // The versions then differ in `apiVersion` alone.
  const detail = "should not be set when strategy is not set to Webhook";
  if (config) errors.push(forbiddenField(configPath, detail));
  if (reviews.length > 0) errors.push(forbiddenField(reviewsPath, detail));
  return errors;
}

/** Whether the server can send one of these versions of ConversionReview, or nothing is said. */
export function hasKnownReview(conversion: CustomResourceConversion | undefined): boolean {
  const versions = conversion?.webhook?.conversionReviewVersions ?? [];
  return versions.length === 0 || versions.some((version) => REVIEW_VERSIONS.includes(version));
}

const REVIEW_VERSIONS = ["v1", "v1beta1"];

function validateReviewVersions(versions: readonly string[], path: FieldPath, requireKnown: boolean): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const errors = versions.flatMap((version, i) =>
    versions.indexOf(version) < i
      ? [invalidValue(path.index(i), version, "duplicate version")]
      : invalidAll(path.index(i), version, isDns1035Label(version)),
  );
  if (!requireKnown || versions.some((version) => REVIEW_VERSIONS.includes(version))) return errors;
  return [...errors, invalidValue(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(", ")}`)];
}
