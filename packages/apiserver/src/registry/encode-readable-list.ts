// Lists for people, as YAML or indented JSON: a few objects at a time, for each costs a hundred times what its stored bytes do.
import { type BodyParts, PartsStream } from "../http/body-parts.ts";
import type { Answer } from "../http/endpoint.ts";
import { formatYaml } from "../http/format-yaml.ts";
import type { StoredObject } from "../storage/stored-object.ts";

/** How a list is written around its items. */
interface ReadableForm {
  readonly contentType: string;
  format(list: object): string;
  /** The field of a list without items, and what stands there instead before the first item, between two, and after the last. */
  readonly empty: (field: string) => string;
  readonly open: (field: string) => string;
  readonly between: string;
  readonly close: string;
}

const FORMS: Readonly<Record<"json" | "yaml", ReadableForm>> = {
  json: {
    contentType: "application/json",
    format: (list) => `${JSON.stringify(list, null, 2)}\n`,
    empty: (field) => `\n  "${field}": []`,
    open: (field) => `\n  "${field}": [\n`,
    between: ",\n",
    close: "\n  ]",
  },
  yaml: {
    contentType: "application/yaml",
    format: formatYaml,
    empty: (field) => `\n${field}: []\n`,
    open: (field) => `\n${field}:\n`,
    between: "",
    close: "",
  },
};

/** `listOf` makes the list of some of the objects, which are under `field`; the rest of it must not depend on which. */
export function encodeReadableList(
  listOf: (some: readonly StoredObject[]) => object,
  field: "items" | "rows",
  objects: readonly StoredObject[],
  media: "json" | "yaml",
): Answer {
  const { contentType, format, between, ...form } = FORMS[media];
  const empty = format(listOf([]));
  if (objects.length === 0) return { code: 200, contentType, bytes: empty };
  const [before = "", after = ""] = empty.split(form.empty(field));
  const head = before + form.open(field);
  const tail = form.close + after;
  let at = 0;
  const parts: BodyParts = {
    next() {
      if (at >= objects.length) return undefined;
      const start = at === 0 ? head : between;
      const text = format(listOf(objects.slice(at, at + OBJECTS_PER_PART)));
      at += OBJECTS_PER_PART;
      return Buffer.from(start + text.slice(head.length, at < objects.length ? text.length - tail.length : undefined));
    },
  };
  return { code: 200, contentType, stream: new PartsStream(parts) };
}

/** As YAML they take some ten milliseconds, after which others get their turn. */
const OBJECTS_PER_PART = 16;
