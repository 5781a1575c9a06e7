// Structural schemas: what a field may hold, as the generated models and (later) custom resources say it.

/** The type of one value. `ref` names a model, so that recursive and shared types stay small. */
export type Schema =
  | { readonly type: "string"; readonly format?: "byte" | "date-time" | "date-time-micro" }
  | { readonly type: "integer"; readonly format?: "int32" | "int64" | "" }
  | { readonly type: "number" | "boolean" | "any" | "int-or-string" }
  | { readonly type: "array"; readonly items: Schema }
  | { readonly type: "map"; readonly values: Schema }
  | { readonly type: "object"; readonly ref: string };

/** An object type with named fields. */
export interface Model {
  readonly fields: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
}
