// Upstream's checksum of a checkpoint: FNV-1a over the value as Go's spew package prints it. Pure.

/** A value with what its printed form names: Go's type. Elements of maps and lists have their type from these. */
export type GoValue =
  | { readonly type: string; readonly text: string }
  | {
      readonly type: string;
      readonly fields: readonly (readonly [name: string, value: GoValue])[];
      /** Inside maps and lists, pointers show. */
      readonly isPointer?: boolean;
    }
  | { readonly type: string; readonly entries: ReadonlyMap<string, GoValue> }
  | { readonly type: string; readonly items: readonly GoValue[] }
  | { readonly type: string; readonly isNil: true };

/** A 32-bit number. A kubelet of upstream that takes over the node's files accepts it, and the other way round. */
export function checksumOf(value: GoValue): number {
  return fnv1a(print(value));
}

/** A string or number, under the name of Go's type for it. */
export function goText(text: string | number, type = "string"): GoValue {
  return { type, text: String(text) };
}

function print(value: GoValue): string {
  return `(${value.type})${printUntyped(value)}`;
}

function printUntyped(value: GoValue): string {
  if ("isNil" in value) return "<nil>";
  // Texts carry no quotes there.
  if ("text" in value) return value.text;
  if ("fields" in value) {
    const fields = value.fields.map(([name, inner]) => `${name}:${print(inner)}`).join(" ");
    return `${value.isPointer ? "<*>" : ""}{${fields}}`;
  }
  if ("items" in value) return `[${value.items.map(printUntyped).join(" ")}]`;
  const keys = [...value.entries.keys()].sort();
  return `map[${keys.map((key) => `${key}:${printUntyped(value.entries.get(key) as GoValue)}`).join(" ")}]`;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
