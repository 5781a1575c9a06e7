// CSIDriver: what the kubelet and the controllers must know of a storage driver.

import type { CSIDriver, CSIDriverSpec, StorageV1TokenRequest } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { csiDrivers } from "../resource-ref.ts";
import { immutableFields, optionalWord } from "../validation/field-rules.ts";
import { duplicate, type FieldPath, invalidValue, notSupported, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { validateCsiDriverName } from "./volume-sources/validate-csi-driver-name.ts";

const MODES = ["Ephemeral", "Persistent"];
// As for tokens of projected volumes.
const MIN_TOKEN_SECONDS = 600;

/** An object that a driver's installation brings; without one the defaults below hold for the driver. */
export const csiDriverKind = defineKind<CSIDriver>({
  ref: csiDrivers,
  otherVersions: [sameAs("v1beta1", "V1beta1CSIDriver", "v1.19", "v1.22")],
  applyDefaults({ spec }) {
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    // Volumes of one node, with a file system: then changing the owner of files harms no other pod.
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ["Persistent"];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  // Upstream counts the changes of these fields alone.
  generationOf: ({ spec }) => [spec.tokenRequests, spec.requiresRepublish, spec.seLinuxMount],
  validate: ({ metadata, spec }) => [
    ...validateCsiDriverName(metadata.name, root("metadata").child("name")),
    ...validateSpec(spec, root("spec")),
  ],
  validateUpdate: (next, previous) =>
    immutableFields(next.spec, previous.spec, ["attachRequired", "volumeLifecycleModes"], root("spec")),
  columns: [
    nameColumn,
    flag("AttachRequired", "attachRequired", true),
    flag("PodInfoOnMount", "podInfoOnMount", false),
    flag("StorageCapacity", "storageCapacity", false),
    column("TokenRequests", ["CSIDriverSpec", "tokenRequests"], ({ spec }) => {
      const audiences = (spec.tokenRequests ?? []).map(({ audience }) => audience);
      return audiences.length > 0 ? audiences.join(",") : "<unset>";
    }),
    flag("RequiresRepublish", "requiresRepublish", false),
    column(
      "Modes",
      ["CSIDriverSpec", "volumeLifecycleModes"],
      ({ spec }) => spec.volumeLifecycleModes?.join(",") || "<none>",
    ),
    ageColumn,
  ],
});

// Columns that show a default where an old object says nothing.
type Flag = "attachRequired" | "podInfoOnMount" | "storageCapacity" | "requiresRepublish";

function flag(name: string, field: Flag, unset: boolean) {
  return column<CSIDriver>(name, ["CSIDriverSpec", field], ({ spec }) => spec[field] ?? unset, { type: "boolean" });
}

/** Defaults have been filled in, so that absent flags are errors. */
function validateSpec(spec: CSIDriverSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["attachRequired", "podInfoOnMount", "storageCapacity"] as const) {
    if (spec[field] === undefined) errors.push(required(path.child(field)));
  }
  const policies = ["File", "None", "ReadWriteOnceWithFSType"];
  errors.push(...optionalWord(spec.fsGroupPolicy, policies, path.child("fsGroupPolicy")));
  errors.push(...validateTokens(spec.tokenRequests ?? [], path.child("tokenRequests")));
  for (const mode of spec.volumeLifecycleModes ?? []) {
    if (!MODES.includes(mode)) errors.push(notSupported(path.child("volumeLifecycleModes"), mode, MODES));
  }
  const period = spec.nodeAllocatableUpdatePeriodSeconds;
  // More often would keep kubelets busy asking drivers how many volumes they can attach.
  if (period !== undefined && period < 10) {
    const detail = "must be greater than or equal to 10 seconds";
    errors.push(invalidValue(path.child("nodeAllocatableUpdatePeriodSeconds"), period, detail));
  }
  return errors;
}

/** Tokens of the pod's service account that the kubelet hands to the driver, one for each audience. */
function validateTokens(tokens: readonly StorageV1TokenRequest[], path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return tokens.flatMap(({ audience, expirationSeconds }, i) => {
    const at = path.index(i);
    const errors: FieldError[] = seen.has(audience) ? [duplicate(at.child("audience"), audience)] : [];
    seen.add(audience);
    if (expirationSeconds === undefined) return errors;
    const where = at.child("expirationSeconds");
    if (expirationSeconds < MIN_TOKEN_SECONDS) {
      errors.push(invalidValue(where, expirationSeconds, "may not specify a duration less than 10 minutes"));
    }
    if (expirationSeconds > 2 ** 32) {
      errors.push(invalidValue(where, expirationSeconds, "may not specify a duration larger than 2^32 seconds"));
    }
    return errors;
  });
}
