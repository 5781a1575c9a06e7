// PersistentVolumeClaim: a pod's wish for a volume, which outlives the pod.
import type { PersistentVolumeClaim } from "../../../generated/types.ts";
import { persistentVolumeClaims } from "../../resource-ref.ts";
import { formatAccessModes } from "../access-modes.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { applyClaimDefaults, unifyDataSources } from "./defaults.ts";
import { validateClaim } from "./validate.ts";
import { validateClaimStatus, validateClaimUpdate } from "./validate-update.ts";

// The class of claims made before there was a field for it.
const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";

/** Bound by the volume controller, which writes `volumeName`; what the claim got is in its status. */
export const persistentVolumeClaimKind = defineKind<PersistentVolumeClaim>({
  ref: persistentVolumeClaims,
  shortNames: ["pvc"],
  hasStatus: true,
  hasGeneration: false,
  applyDefaults: applyClaimDefaults,
  prepareForCreate(claim) {
    claim.status = { phase: "Pending" };
    unifyDataSources(claim.spec ?? {});
  },
  // A client that knows one of the two fields must not take the other away.
  prepareForUpdate(next) {
    unifyDataSources(next.spec ?? {});
  },
  validate: validateClaim,
  validateUpdate: validateClaimUpdate,
  validateStatusUpdate: validateClaimStatus,
  // An old name of metadata.name that upstream still takes.
  selectableFields: { name: ({ metadata }) => metadata.name },
  columns: [
    nameColumn,
    column("Status", ["PersistentVolumeClaimStatus", "phase"], ({ metadata, status }) =>
      metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
    ),
    column("Volume", ["PersistentVolumeClaimSpec", "volumeName"], ({ spec }) => spec?.volumeName ?? ""),
    column("Capacity", ["PersistentVolumeClaimStatus", "capacity"], ({ spec, status }) =>
      // Without a volume there is no capacity to show.
      spec?.volumeName ? (status?.capacity?.storage ?? "0") : "",
    ),
    column("Access Modes", ["PersistentVolumeClaimStatus", "accessModes"], ({ spec, status }) =>
      spec?.volumeName ? formatAccessModes(status?.accessModes) : "",
    ),
    column(
      "StorageClass",
      "StorageClass of the pvc",
      ({ metadata, spec }) => metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? "",
    ),
    column(
      "VolumeAttributesClass",
      "VolumeAttributesClass of the pvc",
      ({ spec }) => spec?.volumeAttributesClassName ?? "<unset>",
    ),
    ageColumn,
    column("VolumeMode", ["PersistentVolumeClaimSpec", "volumeMode"], ({ spec }) => spec?.volumeMode ?? "<unset>", {
      wide: true,
    }),
  ],
});
