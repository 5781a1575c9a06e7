// Owner references that say the same thing twice: upstream keeps the first of each and tells the writer.
import type { ObjectMeta, OwnerReference } from "../../generated/types.ts";

/** Returns the warning, if there was anything to drop. */
export function dedupeOwnerReferences(metadata: ObjectMeta): string | undefined {
  const references = metadata.ownerReferences ?? [];
  if (references.length < 2) return undefined;
  const kept = new Map<string, OwnerReference>();
  const repeated: string[] = [];
  for (const reference of references) {
    const text = textOf(reference);
    if (kept.has(text)) repeated.push(reference.uid);
    else kept.set(text, reference);
  }
  // The text is upstream's, the releases in it included.
  if (repeated.length === 0) return undefined;
  metadata.ownerReferences = [...kept.values()];
  return `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.join(", ")}`;
}

/** The same for two references just when they are equal: comparing each with each would take minutes for what a body may hold. */
function textOf(reference: OwnerReference): string {
  const { apiVersion = "", kind = "", name = "", uid = "", controller, blockOwnerDeletion } = reference;
  return JSON.stringify([apiVersion, kind, name, uid, controller, blockOwnerDeletion]);
}
