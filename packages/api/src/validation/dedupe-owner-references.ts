// Owner references that say the same thing twice: upstream keeps the first of each and tells the writer.
import type { ObjectMeta, OwnerReference } from "../../generated/types.ts";
import { deepEqual } from "./deep-equal.ts";

/** Returns the warning, if there was anything to drop. */
export function dedupeOwnerReferences(metadata: ObjectMeta): string | undefined {
  const references = metadata.ownerReferences ?? [];
  const kept: OwnerReference[] = [];
  const repeated: string[] = [];
  for (const reference of references) {
    const isKnown = kept.some((other) => other.uid === reference.uid && deepEqual(other, reference));
    if (isKnown) repeated.push(reference.uid);
    else kept.push(reference);
  }
  // The text is upstream's, the releases in it included.
  if (repeated.length === 0) return undefined;
  metadata.ownerReferences = kept;
  return `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.join(", ")}`;
}
