// The two PriorityClasses that every cluster has, for pods without which it would not work.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { priorityClasses } from "@skiff/api/resource-ref.ts";
import type { PriorityClass } from "@skiff/api/types.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";

/** Classes of users end here, so that no pod of theirs preempts the system's. */
const HIGHEST_USER_PRIORITY = 1_000_000_000;

const SYSTEM_CLASSES: readonly { name: string; value: number; description: string }[] = [
  {
    name: "system-node-critical",
    value: 2 * HIGHEST_USER_PRIORITY + 1000,
    description: "Used for system critical pods that must not be moved from their current node.",
  },
  {
    name: "system-cluster-critical",
    value: 2 * HIGHEST_USER_PRIORITY,
    description:
      "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
  },
];

/** Makes those that are missing; their values cannot change once they exist. */
export async function ensurePriorityClasses(
  { reader, writer }: { readonly reader: ObjectReader; readonly writer: ObjectWriter },
  signal: AbortSignal,
): Promise<void> {
  for (const { name, value, description } of SYSTEM_CLASSES) {
    if (reader.get(priorityClasses, "", name)) continue;
    const object = { metadata: { name }, value, description, globalDefault: false } satisfies Unsaved<PriorityClass>;
    await writer.create(priorityClasses, object, signal).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
}
