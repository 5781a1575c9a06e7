// Whether a schema of custom resources may be used: its root, its structure, its defaults and every keyword.
import type { JSONSchemaProps } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, forbiddenField, invalidValue } from "../../validation/path.ts";
import { validateDefaults } from "./schema-defaults.ts";
import { type SchemaDemands, validateRules } from "./schema-rules.ts";
import { findUnsupported, partsOf, validateStructural } from "./structural-schema.ts";

/** What of the newer checks holds for a definition. */
export interface Demands extends SchemaDemands {
  readonly prunedDefaults: boolean;
}

// The checks are recursive, and no schema may run them out of stack.
const MAX_DEPTH = 100;

/** `hasStatus` tells whether the status is read apart, with its own part of the schema. Errors are upstream's, in its order. */
export function validateSchema(
  schema: JSONSchemaProps,
  path: FieldPath,
  hasStatus: boolean,
  demands: Demands,
): FieldError[] {
  if (nestsTooDeep(schema, MAX_DEPTH)) return [invalidValue(path, "", "is nested too deeply")];
  const errors = hasStatus ? validateRoot(schema, path) : [];
  // The root is the object itself, which is never null.
  if (schema.nullable) errors.push(forbiddenField(path.child("nullable"), "nullable cannot be true at the root"));
  const unsupported = findUnsupported(schema);
  if (unsupported === undefined) {
    const structural = validateStructural(schema, path);
    errors.push(
      ...(structural.length > 0 ? structural : validateDefaults(asObject(schema), path, demands.prunedDefaults)),
    );
  }
  errors.push(...validateRules(schema, path, { demands, isRoot: true }));
  // The keywords are told one by one above; this is for those that are not.
  if (errors.length === 0 && unsupported !== undefined) errors.push(invalidValue(path, "", unsupported));
  return errors;
}

/** The root has what every object has. */
function asObject(schema: JSONSchemaProps): JSONSchemaProps {
  return { ...schema, "x-kubernetes-embedded-resource": true };
}

function nestsTooDeep(schema: JSONSchemaProps, room: number): boolean {
  return room === 0 || partsOf(schema).some((part) => nestsTooDeep(part, room - 1));
}

/** In the order of upstream's type. Of the rest, a schema for the status alone would lose what they say. */
const FIELDS: readonly (readonly [keyof JSONSchemaProps, allowed: boolean])[] = [
  ["id", false],
  ["$schema", false],
  ["$ref", false],
  ["type", true],
  ["nullable", false],
  ["default", false],
  ["enum", false],
  ["maxProperties", false],
  ["minProperties", false],
  ["allOf", false],
  ["oneOf", false],
  ["anyOf", false],
  ["not", false],
  ["additionalProperties", false],
  ["patternProperties", false],
  ["dependencies", false],
  ["additionalItems", false],
  ["definitions", false],
  ["x-kubernetes-embedded-resource", false],
  ["x-kubernetes-int-or-string", false],
  ["x-kubernetes-list-map-keys", false],
  ["x-kubernetes-list-type", false],
  ["x-kubernetes-map-type", false],
];

const ALLOWED_AT_ROOT =
  "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems " +
  "MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";

function validateRoot(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  for (const [field, allowed] of FIELDS) {
    const value: unknown = schema[field];
    if (value === undefined || value === "" || value === false) continue;
    if (field === "type" && value !== "object") {
      const detail =
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
      return [invalidValue(path.child("type"), value, detail)];
    }
    if (allowed) continue;
    const detail = `only ${ALLOWED_AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled`;
    return [invalidValue(path, schema, detail)];
  }
  return [];
}
