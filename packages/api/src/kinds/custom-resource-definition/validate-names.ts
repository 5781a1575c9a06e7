// How a definition names its kind, in the spec and as accepted in the status.
import type { CustomResourceDefinitionNames } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1035Label } from "../../validation/names.ts";
import { type FieldPath, invalidValue, required } from "../../validation/path.ts";

/** All of them must be given; defaults have filled in two by now, unless there is no kind to make them of. */
export function requireNames(names: CustomResourceDefinitionNames | undefined, path: FieldPath): FieldError[] {
  return (["plural", "singular", "kind", "listKind"] as const)
    .filter((field) => !names?.[field])
    .map((field) => required(path.child(field)));
}

/** What discovery will say of the kind. Conflicts with other definitions show in the condition NamesAccepted. */
export function validateNames(names: CustomResourceDefinitionNames | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const label = (at: FieldPath, value: string) => {
    const wrong = isDns1035Label(value);
    if (wrong.length > 0) errors.push(invalidValue(at, value, wrong.join(",")));
  };
  for (const field of ["plural", "singular"] as const) {
    const value = names?.[field];
    if (value) label(path.child(field), value);
  }
  for (const field of ["kind", "listKind"] as const) {
    const value = names?.[field];
    const wrong = value ? isDns1035Label(value.toLowerCase()) : [];
    const detail = `may have mixed case, but should otherwise match: ${wrong.join(",")}`;
    if (wrong.length > 0) errors.push(invalidValue(path.child(field), value, detail));
  }
  for (const [i, word] of (names?.shortNames ?? []).entries()) label(path.child("shortNames").index(i), word);
  // Clients tell an object from a list of them by the kind.
  if (names?.kind && names.kind === names.listKind) {
    errors.push(invalidValue(path.child("listKind"), names.listKind, "kind and listKind may not be the same"));
  }
  for (const [i, word] of (names?.categories ?? []).entries()) label(path.child("categories").index(i), word);
  return errors;
}
