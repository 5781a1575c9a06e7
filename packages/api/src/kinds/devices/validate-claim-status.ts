// What schedulers and drivers may write into the status of a claim.
import type { ResourceV1ResourceClaim } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { duplicate, forbiddenField, IMMUTABLE, invalidValue, required, root, tooMany } from "../../validation/path.ts";

// Pods that share one claim.
const MAX_CONSUMERS = 256;

/** Keeps the steps of a claim in order: allocated, then reserved for pods, then released, then free again. */
export function validateClaimStatus(
  next: ResourceV1ResourceClaim,
  previous: Readonly<ResourceV1ResourceClaim>,
): FieldError[] {
  const path = root("status");
  const { allocation, reservedFor = [] } = next.status ?? {};
  const before = previous.status?.allocation;
  const errors: FieldError[] = [];
  const at = path.child("reservedFor");
  if (reservedFor.length > MAX_CONSUMERS) errors.push(tooMany(at, reservedFor.length, MAX_CONSUMERS));
  const seen = new Set<string>();
  for (const [i, { resource, name, uid }] of reservedFor.entries()) {
    const where = at.index(i);
    if (!resource) errors.push(required(where.child("resource")));
    if (!name) errors.push(required(where.child("name")));
    if (!uid) errors.push(required(where.child("uid")));
    if (seen.has(uid)) errors.push(duplicate(where.child("uid"), uid));
    seen.add(uid);
  }
  if (reservedFor.length > 0 && !allocation) {
    errors.push(forbiddenField(at, "may not be specified when `allocated` is not set"));
  }
  // An allocation may be given back, but not become another.
  if (before && allocation && !deepEqual(allocation, before)) {
    errors.push(invalidValue(path.child("allocation"), allocation, IMMUTABLE));
  }
  const known = new Set((previous.status?.reservedFor ?? []).map(({ uid }) => uid));
  // A claim that goes away must not gain users: its deletion waits for the last of them.
  if (next.metadata.deletionTimestamp && reservedFor.some(({ uid }) => !known.has(uid))) {
    errors.push(
      forbiddenField(at, "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"),
    );
  }
  return errors;
}
