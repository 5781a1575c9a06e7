// Owners that were found to be gone: many dependents of one owner then cost one read.
import type { ObjectIdentity } from "./owner-graph.ts";

/** The size of upstream's absentOwnerCache. */
const CAPACITY = 500;

/** Bounded: the oldest is forgotten first, which costs a read and no more. */
export class AbsentOwners {
  private readonly keys = new Set<string>();

  add(identity: ObjectIdentity): void {
    if (this.keys.size >= CAPACITY) {
      const [oldest] = this.keys;
      if (oldest !== undefined) this.keys.delete(oldest);
    }
    this.keys.add(keyOf(identity));
  }

  has(identity: ObjectIdentity): boolean {
    return this.keys.has(keyOf(identity));
  }
}

// A UID never comes back, but the same UID in a reference to another namespace or kind is another claim.
function keyOf({ apiVersion, kind, namespace, name, uid }: ObjectIdentity): string {
  return JSON.stringify([apiVersion, kind, namespace, name, uid]);
}
