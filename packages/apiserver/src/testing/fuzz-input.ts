// Bad input made from good: seeded, so that a failure can be had again.
import { isQuantityField } from "@skiff/api/field-tables.ts";
import { modelOf } from "@skiff/api/models.ts";
import type { Schema } from "@skiff/api/schema.ts";

/** Numbers in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // Mulberry32: short, and its low bits are as good as its high ones.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)] as T;
}

const SPLICES = [
  "null",
  "[]",
  "{}",
  '""',
  "-1",
  "1e400",
  "9007199254740993",
  "true",
  '"\\u0000"',
  '"\\ud800"',
  '"💥"',
  "0.5",
  ",",
  "}",
  '"__proto__":{"a":1}',
  '"constructor"',
  '[[[[[[[[{"a":[{}]}]]]]]]]]',
  '{"$patch":"delete"}',
  '{"$setElementOrder/containers":[{}]}',
  '{"$retainKeys":["x"]}',
  '{"f:a":{}}',
  "{{",
  "\u0000",
  "&a *a",
  "18446744073709551616",
];

/** A JSON text with one to three values or characters replaced; most results still parse. */
export function mutate(text: string, random: () => number): string {
  let out = text;
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const at = Math.floor(random() * out.length);
    const splice = pick(SPLICES, random);
    // Whole values are replaced more often than single characters, for those mostly break the syntax only.
    if (random() < 0.7) out = replaceValue(out, splice, random);
    else out = out.slice(0, at) + splice + out.slice(at + Math.floor(random() * 3));
  }
  return out;
}

const TEXTS = [
  "x",
  "a.b/c",
  "10",
  "1Gi",
  "10.0.0.1",
  "fd00::/64",
  "2026-01-01T00:00:00Z",
  "TCP",
  "Always",
  "*/5 * * * *",
  "50%",
];

/** An object of a model in which any field may be set, to something of its type and mostly of no sense. */
export function sampleOf(model: string, random: () => number, depth = 0): object {
  const { fields, required } = modelOf(model);
  const chance = depth === 0 ? 0.9 : 0.6 / depth;
  const chosen = Object.entries(fields).filter(([name]) => required.includes(name) || random() < chance);
  return Object.fromEntries(
    chosen.map(([name, schema]) => {
      const text = isQuantityField(model, name) ? "3" : pick(TEXTS, random);
      return [name, sampleValue(schema, text, random, depth + 1)];
    }),
  );
}

const OF_FORMAT = {
  byte: "eA==",
  "date-time": "2026-01-01T00:00:00Z",
  "date-time-micro": "2026-01-01T00:00:00.000000Z",
};

/** `text` is what a string without a format becomes. */
function sampleValue(schema: Schema, text: string, random: () => number, depth: number): unknown {
  switch (schema.type) {
    case "object":
      return depth > MAX_SAMPLE_DEPTH ? {} : sampleOf(schema.ref, random, depth);
    case "array":
      return [sampleValue(schema.items, text, random, depth)];
    case "map":
      return { [pick(["a", "cpu", "toString"], random)]: sampleValue(schema.values, text, random, depth) };
    case "string":
      return schema.format ? OF_FORMAT[schema.format] : text;
    case "boolean":
      return random() < 0.5;
    case "any":
      return { a: [1] };
    default:
      return pick([0, 1, 80, 70_000], random);
  }
}

const MAX_SAMPLE_DEPTH = 8;

const ODD_VALUES: readonly unknown[] = [
  null,
  "",
  -1,
  0.5,
  1e21,
  2 ** 53,
  true,
  [],
  {},
  [null],
  [[]],
  [{}, {}],
  "\u0000",
  "\ud800",
  "x".repeat(300),
  "10.0.0.0/99",
  "1Ei1",
  "$(A)",
  { $patch: "delete" },
  { "f:a": {} },
  { matchLabels: { a: null } },
];

/** JSON with one to three of its values, at any depth, changed, moved elsewhere or taken away; it always parses. */
export function mutateValue(value: object, random: () => number): string {
  const root = { value: structuredClone(value) as unknown };
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const places = placesIn(root);
    const { holder, key } = pick(places, random);
    const other = pick(places, random);
    const choice = random();
    if (choice < 0.15 && holder !== root) Reflect.deleteProperty(holder, key);
    else if (choice < 0.3) Reflect.set(holder, key, structuredClone(Reflect.get(other.holder, other.key)));
    else if (choice < 0.4) Reflect.set(holder, pick(["name", "kind", "a", "constructor", "0", "$patch"], random), 1);
    else Reflect.set(holder, key, structuredClone(pick(ODD_VALUES, random)));
  }
  return JSON.stringify(root.value) ?? "null";
}

interface Place {
  readonly holder: object;
  readonly key: string;
}

function placesIn(holder: object): Place[] {
  return Object.entries(holder).flatMap(([key, value]) => [
    { holder, key },
    ...(typeof value === "object" && value !== null ? placesIn(value) : []),
  ]);
}

function replaceValue(text: string, splice: string, random: () => number): string {
  const values = [...text.matchAll(/"[^"]*"|\d+|\[[^[\]]*\]|\{[^{}]*\}/g)];
  const match = values[Math.floor(random() * values.length)];
  return match ? text.slice(0, match.index) + splice + text.slice(match.index + match[0].length) : splice;
}

/** Text that a query string or a header may hold, of any sort. */
export function junk(random: () => number): string {
  const alphabet = "abz09-_.,=!()<>/\\'\"%&+ \t\n\u0000ü💥{}[]:;*~^$#@";
  const letters = [...alphabet];
  return Array.from({ length: Math.floor(random() * 24) }, () => pick(letters, random)).join("");
}
