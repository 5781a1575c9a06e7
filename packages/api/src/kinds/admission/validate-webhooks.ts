// Whether a webhook can be called, and for what.
import type { MutatingWebhook, ValidatingWebhook } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { optionalWord } from "../../validation/field-rules.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isDns1035Label, isFullyQualifiedName } from "../../validation/names.ts";
import { duplicate, type FieldPath, invalidAll, invalidValue, itemErrors, required } from "../../validation/path.ts";
import { validateClientConfig } from "./validate-client-config.ts";
import { validateMatchConditions, validateRule } from "./validate-rules.ts";

type Webhook = ValidatingWebhook | MutatingWebhook;

// The versions of AdmissionReview that the server can send.
const REVIEW_VERSIONS = ["v1", "v1beta1"];

/** Names are unique within a configuration: errors and metrics tell webhooks apart by them. */
export function validateWebhooks(webhooks: readonly Webhook[], path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return itemErrors(webhooks, (webhook, i) => {
    const at = path.index(i);
    const errors = validateWebhook(webhook, at);
    errors.push(...validateReviewVersions(webhook.admissionReviewVersions ?? [], at.child("admissionReviewVersions")));
    if (webhook.name && seen.has(webhook.name)) errors.push(duplicate(at.child("name"), webhook.name));
    seen.add(webhook.name);
    return errors;
  });
}

function validateWebhook(webhook: Webhook, path: FieldPath): FieldError[] {
  const errors = invalidNames(webhook.name, path.child("name"));
  for (const [i, rule] of (webhook.rules ?? []).entries()) {
    errors.push(...validateRule(rule, path.child("rules").index(i)));
  }
  errors.push(
    ...optionalWord(webhook.failurePolicy, ["Fail", "Ignore"], path.child("failurePolicy")),
    ...optionalWord(webhook.matchPolicy, ["Equivalent", "Exact"], path.child("matchPolicy")),
    ...validateSideEffects(webhook, path.child("sideEffects")),
  );
  if ("reinvocationPolicy" in webhook) {
    errors.push(...optionalWord(webhook.reinvocationPolicy, ["IfNeeded", "Never"], path.child("reinvocationPolicy")));
  }
  const timeout = webhook.timeoutSeconds;
  // A client waits for every webhook of its request; the bound keeps it from giving up first.
  if (timeout !== undefined && (timeout < 1 || timeout > 30)) {
    const detail = "the timeout value must be between 1 and 30 seconds";
    errors.push(invalidValue(path.child("timeoutSeconds"), timeout, detail));
  }
  return [
    ...errors,
    ...validateLabelSelector(webhook.namespaceSelector, path.child("namespaceSelector")),
    ...validateLabelSelector(webhook.objectSelector, path.child("objectSelector")),
    ...validateClientConfig(webhook.clientConfig ?? {}, path.child("clientConfig")),
    ...validateMatchConditions(webhook.matchConditions ?? [], path.child("matchConditions"), ""),
  ];
}

/** A dry run must leave no trace, so that one which would call a webhook with side effects is refused. */
function validateSideEffects(webhook: Webhook, path: FieldPath): FieldError[] {
  const valid = sideEffectsOf(webhook);
  const { sideEffects } = webhook;
  return sideEffects
    ? optionalWord(sideEffects, valid, path)
    : [required(path, `must specify one of ${valid.join(", ")}`)];
}

/** Webhooks of before v1 need not know what they do. */
function sideEffectsOf({ admissionReviewVersions }: Webhook): readonly string[] {
  const known = ["None", "NoneOnDryRun"];
  return admissionReviewVersions?.includes("v1") ? known : [...known, "Some", "Unknown"];
}

/** A domain, as it shows in errors who refused a request. */
function invalidNames(name: string, path: FieldPath): FieldError[] {
  if (!name) return [required(path)];
  return invalidAll(path, name, isFullyQualifiedName(name));
}

/** At least one version must be one that is spoken here. */
function validateReviewVersions(versions: readonly string[], path: FieldPath): FieldError[] {
  if (versions.length === 0) {
    return [required(path, `must specify one of ${REVIEW_VERSIONS.join(", ")}`)];
  }
  const seen = new Set<string>();
  const errors = itemErrors(versions, (version, i) => {
    const repeated: FieldError[] = seen.has(version) ? [invalidValue(path.index(i), version, "duplicate version")] : [];
    seen.add(version);
    return [...repeated, ...invalidAll(path.index(i), version, isDns1035Label(version))];
  });
  if (versions.some((version) => REVIEW_VERSIONS.includes(version))) return errors;
  return [...errors, invalidValue(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(", ")}`)];
}
