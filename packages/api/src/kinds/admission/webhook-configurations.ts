// ValidatingWebhookConfiguration and MutatingWebhookConfiguration: servers that are asked before a write is made.

import type { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from "../../../generated/types.ts";
import { mutatingWebhookConfigurations, validatingWebhookConfigurations } from "../../resource-ref.ts";
import { root } from "../../validation/path.ts";
import { ageColumn, countColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import {
  mutatingWebhookConfigurationBeta,
  validatingWebhookConfigurationBeta,
} from "../older/webhook-configurations.ts";
import { defaultWebhook } from "./defaults.ts";
import { validateWebhooks } from "./validate-webhooks.ts";

/** These may refuse a request and see it last, in its final form, all at once. */
export const validatingWebhookConfigurationKind = defineKind<ValidatingWebhookConfiguration>({
  ref: validatingWebhookConfigurations,
  otherVersions: [validatingWebhookConfigurationBeta],
  categories: ["api-extensions"],
  applyDefaults: ({ webhooks }) => webhooks?.forEach(defaultWebhook),
  generationOf: ({ webhooks }) => webhooks,
  validate: ({ webhooks }) => validateWebhooks(webhooks ?? [], root("webhooks")),
  columns: [
    nameColumn,
    countColumn(
      "Webhooks",
      "Webhooks indicates the number of webhooks registered in this configuration",
      (c) => c.webhooks?.length,
    ),
    ageColumn,
  ],
});

/** These may change a request, one after another in the order of their configurations' names. */
export const mutatingWebhookConfigurationKind = defineKind<MutatingWebhookConfiguration>({
  ref: mutatingWebhookConfigurations,
  otherVersions: [mutatingWebhookConfigurationBeta],
  categories: ["api-extensions"],
  applyDefaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook);
      webhook.reinvocationPolicy ??= "Never";
    }
  },
  generationOf: ({ webhooks }) => webhooks,
  validate: ({ webhooks }) => validateWebhooks(webhooks ?? [], root("webhooks")),
  columns: [
    nameColumn,
    countColumn(
      "Webhooks",
      "Webhooks indicates the number of webhooks registered in this configuration",
      (c) => c.webhooks?.length,
    ),
    ageColumn,
  ],
});
