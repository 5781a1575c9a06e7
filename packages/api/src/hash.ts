// Hashes that name things: stable across processes, Node versions and the order of an object's keys.
import { safeEncode } from "./generate-name.ts";

// FNV-1a's constants for 32 bits.
const PRIME = 0x01000193;
const OFFSET = 0x811c9dc5;

/** FNV-1a over the UTF-8 bytes, as an unsigned 32-bit number. */
export function fnv1a32(text: string): number {
  return fnv1a32Bytes(Buffer.from(text, "utf8"), OFFSET) >>> 0;
}

/**
 * The label `pod-template-hash`: a collision count makes another hash of the same template. Formed as upstream's ComputeHash, but
 * over our JSON instead of Go's dump of the struct, so the same template has another hash than in upstream's clusters.
 */
export function podTemplateHash(template: unknown, collisionCount?: number): string {
  let hash = fnv1a32Bytes(Buffer.from(stableStringify(template), "utf8"), OFFSET);
  if (collisionCount !== undefined) {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(collisionCount);
    hash = fnv1a32Bytes(bytes, hash);
  }
  return safeEncode(String(hash >>> 0));
}

/** JSON with sorted keys and without undefined values. */
export function stableStringify(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => stableStringify(item ?? null)).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined) parts.push(`${JSON.stringify(key)}:${stableStringify(member)}`);
  }
  return `{${parts.join(",")}}`;
}

function fnv1a32Bytes(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, PRIME);
  return hash;
}
