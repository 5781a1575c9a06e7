// CustomResourceDefinition: a kind that users bring.

import type { CustomResourceDefinition, CustomResourceDefinitionSpec } from "../../../generated/types.ts";
import { customResourceDefinitions } from "../../resource-ref.ts";
import { createdAtColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { customResourceDefinitionBeta } from "../older/custom-resource-definition.ts";
import { validateDefinition, validateDefinitionStatus, validateDefinitionUpdate } from "./validate.ts";

/** A definition is served once controllers have accepted its names and set the condition Established. */
export const customResourceDefinitionKind = defineKind<CustomResourceDefinition>({
  ref: customResourceDefinitions,
  otherVersions: [customResourceDefinitionBeta],
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  hasStatus: true,
  applyDefaults(definition) {
    definition.spec ??= {} as CustomResourceDefinitionSpec;
    applySpecDefaults(definition.spec);
    // Whoever writes a status without them forgets no version.
    if (definition.status && !definition.status.storedVersions?.length) {
      definition.status.storedVersions = storageVersionsOf(definition);
    }
  },
  // The server alone writes the status; nothing has been stored in another version yet.
  prepareForCreate(definition) {
    definition.status = { storedVersions: storageVersionsOf(definition) };
  },
  prepareForUpdate: addStoredVersion,
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  validateStatusUpdate: validateDefinitionStatus,
  columns: [nameColumn, createdAtColumn],
});

function applySpecDefaults(spec: CustomResourceDefinitionSpec): void {
  const { names } = spec;
  if (names) {
    names.singular ||= names.kind?.toLowerCase();
    if (names.kind) names.listKind ||= `${names.kind}List`;
  }
  spec.conversion ??= { strategy: "None" };
  const service = spec.conversion.webhook?.clientConfig?.service;
  // Webhooks are reached over HTTPS only.
  if (service) service.port ??= 443;
}

/** Objects may be stored in each version that was ever the one to store. */
function addStoredVersion(next: CustomResourceDefinition): void {
  const storage = (next.spec.versions ?? []).find((version) => version.storage)?.name;
  const known = next.status?.storedVersions ?? [];
  if (!storage || known.includes(storage)) return;
  next.status = { ...next.status, storedVersions: [...known, storage] };
}

function storageVersionsOf({ spec }: CustomResourceDefinition): string[] {
  const stored = (spec.versions ?? []).find((version) => version.storage);
  return stored ? [stored.name] : [];
}
