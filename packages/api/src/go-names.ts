// The names that Go's decoder gives to our types in its messages: `v1.PodSpec`, `[]v1.Container`, `map[string]string`.
import type { Schema } from "./schema.ts";

/** Models of versions other than v1 bear it in front: V1beta1Device. */
const VERSION_PREFIX = /^V(\d+(?:(?:alpha|beta)\d+)?)(?=[A-Z])/;
/** Names that two groups share bear their group in front: CoreV1Event, EventsV1Event. */
const GROUP_PREFIX =
  /^(?:Admissionregistration|Apiextensions|Apiregistration|Authentication|Core|Discovery|Events|Flowcontrol|Rbac|Resource|Storage)V1(?=[A-Z])/;

/** The kind or struct name: `Event` for the model CoreV1Event, `Device` for V1beta1Device. */
export function kindOf(model: string): string {
  return model.replace(GROUP_PREFIX, "").replace(VERSION_PREFIX, "");
}

/** The package, which is named after the version: `v1`, `v1beta1`. */
export function goPackageOf(model: string): string {
  const version = VERSION_PREFIX.exec(model)?.[1];
  return `v${version ?? "1"}`;
}

/** The type of a value as Go prints it. */
export function goTypeOf(schema: Schema): string {
  switch (schema.type) {
    case "string":
      return schema.format === "byte" ? "[]uint8" : "string";
    case "integer":
      return schema.format === "int32" ? "int32" : "int64";
    case "number":
      return "float64";
    case "boolean":
      return "bool";
    case "int-or-string":
      return "int32";
    case "any":
      return "interface {}";
    case "array":
      return `[]${goTypeOf(schema.items)}`;
    case "map":
      return `map[string]${goTypeOf(schema.values)}`;
    case "object":
      return `${goPackageOf(schema.ref)}.${kindOf(schema.ref)}`;
  }
}
