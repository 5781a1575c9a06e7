// admissionregistration.k8s.io/v1beta1: the same fields, but milder defaults.
import type { MutatingWebhook, ValidatingWebhook } from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";

/** v1 defaults to Fail, Equivalent and ten seconds, and wants `sideEffects` said. */
export const validatingWebhookConfigurationBeta = version("V1beta1ValidatingWebhookConfiguration");
/** As above. */
export const mutatingWebhookConfigurationBeta = version("V1beta1MutatingWebhookConfiguration");

interface Configuration extends KubeObject {
  webhooks?: (ValidatingWebhook | MutatingWebhook)[];
}

function version(model: string): ServedVersion {
  return {
    version: "v1beta1",
    model,
    deprecated: ["v1.16", "v1.22"],
    toStored(object) {
      for (const webhook of (object as Configuration).webhooks ?? []) fill(webhook);
      return object;
    },
    fromStored: (object) => object,
  };
}

function fill(webhook: ValidatingWebhook | MutatingWebhook): void {
  webhook.failurePolicy ??= "Ignore";
  webhook.matchPolicy ??= "Exact";
  webhook.timeoutSeconds ??= 30;
  webhook.sideEffects ||= "Unknown";
  if (!webhook.admissionReviewVersions?.length) webhook.admissionReviewVersions = ["v1beta1"];
}
