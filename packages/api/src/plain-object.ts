// JSON objects handled so that no key, `__proto__` included, can reach a prototype.

export type PlainObject = Record<string, unknown>;

export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Assigns as JSON.parse does: `__proto__` becomes a key like any other. */
export function setOwn(target: PlainObject, key: string, value: unknown): void {
  if (key !== "__proto__") target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

export function getOwn(source: PlainObject, key: string): unknown {
  return Object.hasOwn(source, key) ? source[key] : undefined;
}

/** A deep copy of parsed JSON that keeps everything; `tooDeep` makes the error where it nests beyond `maxDepth`. */
export function copyJson(value: unknown, maxDepth: number, tooDeep: () => Error): unknown {
  if (maxDepth < 0) throw tooDeep();
  if (Array.isArray(value)) return value.map((item) => copyJson(item, maxDepth - 1, tooDeep));
  if (!isPlainObject(value)) return value;
  const out: PlainObject = {};
  for (const key of Object.keys(value)) setOwn(out, key, copyJson(value[key], maxDepth - 1, tooDeep));
  return out;
}
