// PersistentVolume: a piece of storage that claims are bound to.
import type { PersistentVolume } from "../../../generated/types.ts";
import { persistentVolumes } from "../../resource-ref.ts";
import { formatAccessModes } from "../access-modes.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { applyVolumeDefaults } from "./defaults.ts";
import { validateVolume, validateVolumeUpdate } from "./validate.ts";

// What the field was before v1.6; it still counts, and is shown first.
const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";

/** Outside of namespaces, and bound to one claim at a time by `claimRef`. */
export const persistentVolumeKind = defineKind<PersistentVolume>({
  ref: persistentVolumes,
  shortNames: ["pv"],
  hasStatus: true,
  hasGeneration: false,
  applyDefaults: applyVolumeDefaults,
  prepareForCreate(volume) {
    volume.status = { phase: "Pending", lastPhaseTransitionTime: volume.metadata.creationTimestamp };
  },
  // The time lets people see how long a volume has been waiting or released.
  prepareForStatusUpdate(next, previous, now) {
    if (!next.status || next.status.phase === previous.status?.phase) return;
    // Whoever changes the phase may say when; most do not.
    const told = next.status.lastPhaseTransitionTime;
    if (told && told !== previous.status?.lastPhaseTransitionTime) return;
    next.status.lastPhaseTransitionTime = now;
  },
  validate: validateVolume,
  validateUpdate: validateVolumeUpdate,
  columns: [
    nameColumn,
    column("Capacity", ["PersistentVolumeSpec", "capacity"], ({ spec }) => spec?.capacity?.storage ?? "0"),
    column("Access Modes", ["PersistentVolumeSpec", "accessModes"], ({ spec }) => formatAccessModes(spec?.accessModes)),
    column(
      "Reclaim Policy",
      ["PersistentVolumeSpec", "persistentVolumeReclaimPolicy"],
      ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? "",
    ),
    column("Status", ["PersistentVolumeStatus", "phase"], ({ metadata, status }) =>
      metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
    ),
    column("Claim", ["PersistentVolumeSpec", "claimRef"], ({ spec }) =>
      // `namespace/name` of the claim, which may be gone already.
      spec?.claimRef ? `${spec.claimRef.namespace ?? ""}/${spec.claimRef.name ?? ""}` : "",
    ),
    column(
      "StorageClass",
      "StorageClass of the pv",
      ({ metadata, spec }) => metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? "",
    ),
    column(
      "VolumeAttributesClass",
      "VolumeAttributesClass of the pv",
      ({ spec }) => spec?.volumeAttributesClassName ?? "<unset>",
    ),
    column("Reason", ["PersistentVolumeStatus", "reason"], ({ status }) => status?.reason ?? ""),
    ageColumn,
    column("VolumeMode", ["PersistentVolumeSpec", "volumeMode"], ({ spec }) => spec?.volumeMode ?? "<unset>", {
      wide: true,
    }),
  ],
});
