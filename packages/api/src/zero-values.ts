// What stands in an object although its writer left it out: upstream always writes these fields, so readers rely on them.
import { modelOf } from "./models.ts";
import type { Schema } from "./schema.ts";

export interface ZeroField {
  readonly field: string;
  readonly schema: Schema;
}

/** Pointers in upstream's types: their absence is told from an empty value, although the field is required. */
const ABSENT_WHEN_UNSET: ReadonlySet<string> = new Set([
  "DaemonSetSpec.selector",
  "DeploymentSpec.selector",
  "ReplicaSetSpec.selector",
  "ScaleIOPersistentVolumeSource.secretRef",
  "ScaleIOVolumeSource.secretRef",
  "StatefulSetSpec.selector",
]);

/** The required fields of a model, and the metadata and spec of a kind. Unset times and free-form values stay unset. */
export function zeroFieldsOf(model: string): ZeroField[] {
  const { fields, required } = modelOf(model);
  const isKind = "apiVersion" in fields && "kind" in fields;
  const names = new Set(isKind ? [...required, "metadata", "spec"] : required);
  const found: ZeroField[] = [];
  for (const field of names) {
    const schema = fields[field];
    if (!schema || schema.type === "any" || (schema.type === "string" && schema.format)) continue;
    if (!ABSENT_WHEN_UNSET.has(`${model}.${field}`)) found.push({ field, schema });
  }
  return found;
}

/** Go's zero value of anything but an object, whose own zero fields its walk fills in. */
export function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case "object":
    case "map":
      return {};
    case "array":
      return [];
    case "string":
      return "";
    case "integer":
    case "number":
    case "int-or-string":
      return 0;
    case "boolean":
      return false;
    case "any":
      return null;
  }
}
