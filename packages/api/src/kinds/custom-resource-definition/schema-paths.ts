// Paths into schemas of custom resources: `.spec.replicas`, and `['a.b']` where array notation is allowed.
import type { JSONSchemaProps } from "../../../generated/types.ts";

/** The field that a path names, or why it names none. `schema` is missing where any value may stand. */
export type FoundField =
  | { readonly steps: readonly string[]; readonly schema: JSONSchemaProps | undefined }
  | { readonly reason: string };

/** Follows a path through a structural schema, in the words of upstream's check. */
export function findField(path: string, root: JSONSchemaProps, allowsArrays: boolean): FoundField {
  const tokens = tokensOf(path);
  const steps: string[] = [];
  let schema: JSONSchemaProps | undefined = root;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] as string;
    let name: string | undefined;
    if (token === "[") {
      if (!allowsArrays) return { reason: "array notation is not allowed" };
      const quoted = tokens[++at];
      if (quoted === undefined) return { reason: "unexpected end of JSON path" };
      if (!/^'.*'$/s.test(quoted) || quoted.length < 2) {
        return { reason: `expected single quoted string but got ${quoted}` };
      }
      name = quoted.slice(1, -1).replace(/\\(['\\])/g, "$1");
    } else if (token === ".") {
      name = tokens[++at];
      if (name === undefined) return { reason: "unexpected end of JSON path" };
    } else return { reason: `expected [ or . but got: ${token}` };
    const next = fieldOf(schema, name);
    if (!next) return { reason: "does not refer to a valid field" };
    steps.push(name);
    schema = next.schema;
    if (token !== "[") continue;
    const closing = tokens[++at];
    if (closing === undefined) return { reason: "unexpected end of JSON path" };
    if (closing !== "]") return { reason: `expected ] but got ${closing}` };
  }
  return { steps, schema };
}

function fieldOf(
  schema: JSONSchemaProps | undefined,
  name: string,
): { readonly schema: JSONSchemaProps | undefined } | undefined {
  const properties = schema?.properties ?? {};
  if (Object.keys(properties).length > 0) {
    return Object.hasOwn(properties, name) ? { schema: properties[name] } : undefined;
  }
  const values: unknown = schema?.additionalProperties;
  if (values === undefined) return undefined;
  return { schema: isSchema(values) ? values : undefined };
}

/** Dots and brackets are tokens of their own; what stands in single quotes is one. */
function tokensOf(path: string): string[] {
  return path.match(/'(?:\\.|[^'\\])*'?|[.[\]]|[^.[\]]+/gs) ?? [];
}

/** Fields such as `items` hold one schema, a list of them, or yes and no. */
export function isSchema(value: unknown): value is JSONSchemaProps {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
