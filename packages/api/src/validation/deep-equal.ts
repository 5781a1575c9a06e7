// Upstream's semantic equality of API values: what Go's zero values make the same is the same here.

/** Whether two JSON values mean the same to Kubernetes. */
export function deepEqual(a: unknown, b: unknown): boolean {
  return equal(a, b, "");
}

/** Maps whose emptiness says nothing. An empty object elsewhere (`emptyDir: {}`) is a value. */
const MAPS: ReadonlySet<string> = new Set([
  ...["labels", "annotations", "matchLabels", "nodeSelector", "selector", "overhead"],
  ...["limits", "requests", "capacity", "allocatable", "data", "binaryData"],
]);

/** Booleans that upstream does not keep apart from absence. */
export const PLAIN_BOOLEANS: ReadonlySet<string> = new Set([
  ...["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"],
  ...["paused", "unschedulable", "publishNotReadyAddresses"],
]);

/** `field` is the name under which the two stand, "" for items of lists. */
function equal(a: unknown, b: unknown, field: string): boolean {
  if (a === b) return true;
  if (isZero(a, field) && isZero(b, field)) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((v, i) => equal(v, b[i], ""));
  if (!isObject(a) || !isObject(b) || Array.isArray(b)) return false;
  for (const key in a) if (!equal(a[key], b[key], key)) return false;
  // A field that is absent on one side may hold its zero on the other.
  for (const key in b) if (!(key in a) && !isZero(b[key], key)) return false;
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A zero number is not among them: behind a pointer, as counts mostly are, it was meant. */
function isZero(value: unknown, field: string): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (value === false) return PLAIN_BOOLEANS.has(field);
  if (Array.isArray(value)) return value.length === 0;
  return MAPS.has(field) && isObject(value) && Object.keys(value).length === 0;
}
