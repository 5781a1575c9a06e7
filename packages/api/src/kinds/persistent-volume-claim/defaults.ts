// What a claim gets when its writer says nothing.
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from "../../../generated/types.ts";

/** Fills a claim in place. The class is filled in by admission, as it depends on the cluster. */
export function applyClaimDefaults(claim: PersistentVolumeClaim): void {
  claim.spec ??= {};
  defaultClaimSpec(claim.spec);
  claim.status ??= {};
  claim.status.phase ||= "Pending";
}

/** Claims, their templates in StatefulSets and in ephemeral volumes get the same. */
export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= "Filesystem";
}

/** The two fields that name a source say the same, unless the newer one reaches into another namespace. */
export function unifyDataSources(spec: PersistentVolumeClaimSpec): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource };
  if (!dataSource && dataSourceRef && !dataSourceRef.namespace) {
    const { namespace: _none, ...local } = dataSourceRef;
    spec.dataSource = local;
  }
}
