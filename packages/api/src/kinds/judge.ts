// For tests of kinds: what the registry would make of an object, and what it would say against it.
import { decode } from "../decode.ts";
import { type FieldError, fieldErrorBody } from "../errors.ts";
import type { KindDefinition } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import { validateObjectMeta } from "../validation/object-meta.ts";
import { root } from "../validation/path.ts";

/** The errors of a new object, each as `field: Title: …`; an undefined name is filled in. */
export function judgeNew<T extends KubeObject>(kind: KindDefinition<T>, manifest: object): string[] {
  const object = created(kind, manifest);
  return texts([...validateObjectMeta(kind, object.metadata, root("metadata")), ...kind.validate(object)]);
}

/** The errors of changing an object; `change` gets a copy. `status` writes the subresource. */
export function judgeUpdate<T extends KubeObject>(
  kind: KindDefinition<T>,
  previous: T,
  change: (next: T) => void,
  status = false,
): string[] {
  return texts(updated(kind, previous, change, status).errors);
}

/** A new object as it would be stored. */
export function created<T extends KubeObject>(kind: KindDefinition<T>, manifest: object): T {
  const made = { uid: "4f1c", creationTimestamp: "2026-01-01T00:00:00Z" };
  const metadata = { name: "x", ...made, ...(kind.namespaced ? { namespace: "default" } : {}) };
  const given = "metadata" in manifest && typeof manifest.metadata === "object" ? manifest.metadata : {};
  const value = { ...manifest, metadata: { ...metadata, ...given } };
  const { object } = decode<T>(kind.model, value, { strict: true });
  kind.applyDefaults(object);
  kind.prepareForCreate(object);
  return object;
}

/** An object after a change, with the errors; throws where the kind has no status and `status` is asked for. */
export function updated<T extends KubeObject>(
  kind: KindDefinition<T>,
  previous: T,
  change: (next: T) => void,
  status = false,
): { object: T; errors: FieldError[] } {
  const rules = status ? kind.status : kind;
  if (!rules) throw new Error(`${kind.kind} has no status subresource`);
  const object = structuredClone(previous);
  change(object);
  kind.applyDefaults(object);
  rules.prepareForUpdate(object, previous, "2026-01-01T00:00:01Z");
  return { object, errors: rules.validateUpdate(object, previous) };
}

const texts = (errors: readonly FieldError[]) => errors.map((error) => `${error.field}: ${fieldErrorBody(error)}`);
