// How volumes and claims may be mounted, and in which words.
import type { FieldError } from "../errors.ts";
import { type FieldPath, forbiddenField, notSupported, required } from "../validation/path.ts";

const ABBREVIATIONS: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};
const MODES = Object.keys(ABBREVIATIONS);
// One pod in the whole cluster, where ReadWriteOnce means the pods of one node.
const EXCLUSIVE = "ReadWriteOncePod";

/** `RWO,ROX`, each once and in upstream's order. */
export function formatAccessModes(modes: readonly string[] | undefined): string {
  return MODES.filter((mode) => modes?.includes(mode))
    .map((mode) => ABBREVIATIONS[mode])
    .join(",");
}

/** At least one mode; `missing` is the detail of the error where there is none. */
export function validateAccessModes(modes: readonly string[] | undefined, path: FieldPath, missing = ""): FieldError[] {
  if (!modes?.length) return [required(path, missing)];
  const supported = MODES.toSorted();
  const errors = modes.filter((mode) => !MODES.includes(mode)).map((mode) => notSupported(path, mode, supported));
  if (modes.includes(EXCLUSIVE) && modes.some((mode) => mode !== EXCLUSIVE)) {
    errors.push(forbiddenField(path, "may not use ReadWriteOncePod with other access modes"));
  }
  return errors;
}
