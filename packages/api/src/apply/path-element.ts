// Path elements of field sets: `f:name` (field or map key), `k:{"name":"a"}` (list item by its keys), `v:"a"` (set item),
// `i:0` (index), and the words for them in messages.
import { isPlainObject, type PlainObject } from "../plain-object.ts";
import type { FieldTree } from "./field-tree.ts";
import { LEAF, sortedTree, treeNode } from "./field-tree.ts";

/** A field of an object, or a key of a map. */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** An item of a set, by its value. */
export function valueElement(value: unknown): string {
  return `v:${canonicalJson(value)}`;
}

/** What names an item of an associative list; undefined for one that has none of the keys. */
export function keyElement(keys: readonly string[], item: unknown): string | undefined {
  if (!isPlainObject(item)) return undefined;
  let text = "";
  for (const key of keys) {
    // Before defaults are filled in, a port without a protocol is already the TCP one.
    const value = item[key] ?? KEY_DEFAULTS[key];
    if (value === undefined || value === null) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  return text === "" ? undefined : `k:{${text}}`;
}

/** Keys that a writer may leave out (`x-kubernetes-list-map-keys` with a default): the protocol of ports. */
const KEY_DEFAULTS: Readonly<Record<string, unknown>> = { protocol: "TCP" };

/** `.spec.containers[name="c"].image`. */
export function formatElements(path: readonly string[]): string {
  return path.map(formatElement).join("");
}

function formatElement(element: string): string {
  const body = element.slice(2);
  switch (element[0]) {
    case "f":
      return `.${body}`;
    case "v":
      return `[=${body}]`;
    case "k": {
      const entries = Object.entries(JSON.parse(body) as PlainObject);
      return `[${entries.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    }
    default:
      return `[${body}]`;
  }
}

/** A field set that a client sent, in our form; undefined when it is none. */
export function parseFieldTree(value: unknown): FieldTree | undefined {
  if (!isPlainObject(value)) return undefined;
  const out: Record<string, FieldTree> = {};
  for (const key of Object.keys(value)) {
    if (key === ".") continue;
    const element = canonicalElement(key);
    const children = parseFieldTree(value[key]);
    if (element === undefined || children === undefined) return undefined;
    const isMember = "." in (value[key] as PlainObject) || Object.keys(value[key] as PlainObject).length === 0;
    out[element] = treeNode(children, isMember) ?? LEAF;
  }
  return sortedTree(out);
}

function canonicalElement(element: string): string | undefined {
  const body = element.slice(2);
  if (element[1] !== ":") return undefined;
  switch (element[0]) {
    case "f":
      return element;
    case "i":
      return /^-?\d+$/.test(body) ? element : undefined;
    case "v":
    case "k": {
      const parsed = parseJson(body);
      const values = element[0] === "v" ? [parsed] : isPlainObject(parsed) ? Object.values(parsed) : [undefined];
      // Nothing that a path can name is made of parts.
      if (!values.every(isScalar)) return undefined;
      return `${element[0]}:${canonicalJson(parsed)}`;
    }
    default:
      return undefined;
  }
}

function isScalar(value: unknown): boolean {
  return value === null || (value !== undefined && typeof value !== "object");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function canonicalJson(value: unknown): string {
  if (!isPlainObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}
