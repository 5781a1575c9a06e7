// Decides what becomes of an object from what its owners turned out to be.
import type { OwnerReference } from "@skiff/api/types.ts";
import { FOREGROUND, ORPHAN } from "./owner-graph.ts";

/** "solid" exists; "dangling" is gone; "waiting" is in foreground deletion and waits for its dependents. */
export type OwnerState = "solid" | "dangling" | "waiting";

/** What to write; the caller has read the owners live. */
export type OwnerPlan =
  | { readonly action: "keep" }
  /** Some owners are left, so only the references to the others go. */
  | { readonly action: "dropOwners"; readonly uids: readonly string[] }
  | { readonly action: "delete"; readonly propagationPolicy: "Background" | "Foreground" | "Orphan" };

/** `finalizers` are the object's own: how it was to be deleted before its owners went. */
export function planByOwners(
  owners: readonly { readonly reference: OwnerReference; readonly state: OwnerState }[],
  finalizers: readonly string[],
  hasDependents: boolean,
): OwnerPlan {
  // Never owned, or its last reference was just taken away: nobody's to delete.
  if (owners.length === 0) return { action: "keep" };
  const uidsOf = (...states: OwnerState[]) =>
    owners.filter(({ state }) => states.includes(state)).map(({ reference }) => reference.uid);
  if (uidsOf("solid").length > 0) {
    const uids = uidsOf("dangling", "waiting");
    return uids.length > 0 ? { action: "dropOwners", uids } : { action: "keep" };
  }
  // The owner waits for this object, which must in turn wait for its own dependents.
  if (uidsOf("waiting").length > 0 && hasDependents) return { action: "delete", propagationPolicy: "Foreground" };
  if (finalizers.includes(ORPHAN)) return { action: "delete", propagationPolicy: "Orphan" };
  if (finalizers.includes(FOREGROUND)) return { action: "delete", propagationPolicy: "Foreground" };
  return { action: "delete", propagationPolicy: "Background" };
}
