// JSON objects handled so that no key, `__proto__` included, can reach a prototype.

/** Any JSON object, before anything is known of its fields. */
export type PlainObject = Record<string, unknown>;

/** Whether parsed JSON is an object: arrays and null are not. */
export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Assigns as JSON.parse does: `__proto__` becomes a key like any other. */
export function setOwn(target: PlainObject, key: string, value: unknown): void {
  if (key !== "__proto__") target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** An own member: an inherited one, such as `constructor`, counts as absent. */
export function getOwn(source: PlainObject, key: string): unknown {
  return Object.hasOwn(source, key) ? source[key] : undefined;
}

/** Whether parsed JSON has more than `maxDepth` containers within each other. */
export function isDeeperThan(value: unknown, maxDepth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (maxDepth === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeperThan(item, maxDepth - 1));
  for (const key in value) if (isDeeperThan((value as PlainObject)[key], maxDepth - 1)) return true;
  return false;
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
