// ResourceClaim and ResourceClaimTemplate: a pod's wish for devices.
import type { ResourceClaimTemplate, ResourceV1ResourceClaim } from "../../../generated/types.ts";
import { resourceClaims, resourceClaimTemplates } from "../../resource-ref.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { root } from "../../validation/path.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { defaultClaim } from "./defaults.ts";
import { validateClaim } from "./validate-claim.ts";
import { validateClaimStatus } from "./validate-claim-status.ts";

/** The spec is immutable: the allocation in the status was made for it. */
export const resourceClaimKind = defineKind<ResourceV1ResourceClaim>({
  ref: resourceClaims,
  model: "ResourceV1ResourceClaim",
  hasStatus: true,
  hasGeneration: false,
  applyDefaults: ({ spec }) => defaultClaim(spec),
  validate: ({ spec }) => validateClaim(spec, root("spec")),
  validateUpdate: (next, previous) => immutableField(next.spec, previous.spec, root("spec")),
  validateStatusUpdate: validateClaimStatus,
  columns: [
    nameColumn,
    column("State", "A summary of the current state (allocated, pending, reserved, etc.).", state),
    ageColumn,
  ],
});

/** For every pod that names the template a controller makes a claim of the pod's own. */
export const resourceClaimTemplateKind = defineKind<ResourceClaimTemplate>({
  ref: resourceClaimTemplates,
  applyDefaults: ({ spec }) => defaultClaim(spec.spec),
  validate: ({ spec }) => validateClaim(spec.spec ?? {}, root("spec").child("spec")),
  validateUpdate: (next, previous) => immutableField(next.spec, previous.spec, root("spec")),
  columns: [nameColumn, ageColumn],
});

/** `deleted,allocated,reserved`, or `pending`. */
function state({ metadata, status }: Readonly<ResourceV1ResourceClaim>): string {
  const words: string[] = metadata.deletionTimestamp ? ["deleted"] : [];
  if (status?.allocation) words.push("allocated");
  else if (!metadata.deletionTimestamp) words.push("pending");
  if (status?.reservedFor?.length) words.push("reserved");
  return words.join(",");
}
