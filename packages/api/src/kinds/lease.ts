// Lease: who holds a role, and until when. Heartbeats of nodes and leader election.

import type { Lease } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { leases } from "../resource-ref.ts";
import { invalidValue, NOT_NEGATIVE, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";

/** Small, as every node renews one every ten seconds; no status, so that one write says all. */
export const leaseKind = defineKind<Lease>({
  ref: leases,
  otherVersions: [sameAs("v1beta1", "V1beta1Lease", "v1.19", "v1.22")],
  applyDefaults(lease) {
    lease.spec ??= {};
    // Coordinated leader election is gated off upstream, which drops its fields.
    delete lease.spec.strategy;
    delete lease.spec.preferredHolder;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const path = root("spec");
    // A lease that never lasts could be taken by everybody at once.
    if (spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0) {
      errors.push(
        invalidValue(path.child("leaseDurationSeconds"), spec.leaseDurationSeconds, "must be greater than 0"),
      );
    }
    if ((spec.leaseTransitions ?? 0) < 0) {
      errors.push(invalidValue(path.child("leaseTransitions"), spec.leaseTransitions, NOT_NEGATIVE));
    }
    return errors;
  },
  columns: [
    nameColumn,
    column("Holder", ["LeaseSpec", "holderIdentity"], (lease) => lease.spec.holderIdentity ?? ""),
    ageColumn,
  ],
});
