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
