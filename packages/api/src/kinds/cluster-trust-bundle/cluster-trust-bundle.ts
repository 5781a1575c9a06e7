// ClusterTrustBundle: root certificates for everybody in the cluster to trust, of one signer or of nobody in particular.
import type { V1beta1ClusterTrustBundle } from "../../../generated/types.ts";
import { clusterTrustBundles } from "../../resource-ref.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { root } from "../../validation/path.ts";
import { column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { validateBundle, validateCertificates } from "./validate.ts";

/** Off unless --runtime-config turns it on: it is beta upstream, and beta kinds are not served by default. */
export const clusterTrustBundleKind = defineKind<V1beta1ClusterTrustBundle>({
  ref: clusterTrustBundles,
  model: "V1beta1ClusterTrustBundle",
  // What a name must be like depends on the signer, which only `validate` sees.
  validateName: () => [],
  validate: validateBundle,
  validateCreate: validateCertificates,
  validateUpdate: (next, previous) => [
    // What was taken once stays, whatever a later release would think of it.
    ...(next.spec.trustBundle === previous.spec.trustBundle ? [] : validateCertificates(next)),
    ...immutableField(next.spec.signerName ?? "", previous.spec.signerName ?? "", root("spec").child("signerName")),
  ],
  selectableFields: { "spec.signerName": ({ spec }) => spec.signerName ?? "" },
  columns: [
    nameColumn,
    column("SignerName", ["V1beta1ClusterTrustBundleSpec", "signerName"], ({ spec }) => spec.signerName || "<none>"),
  ],
});
