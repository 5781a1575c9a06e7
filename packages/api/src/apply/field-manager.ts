// Who is recorded as the owner of a write.

/** The manager that the request names, or what its User-Agent says before the first slash. */
export function fieldManagerOf(fieldManager: string | null, userAgent: string | undefined): string {
  return fieldManager || fromUserAgent(userAgent ?? "") || "unknown";
}

// What `validateFieldManager` allows.
const MAX_BYTES = 128;
/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the plain space. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

function fromUserAgent(userAgent: string): string {
  const [product = ""] = userAgent.split("/", 1);
  let name = "";
  let bytes = 0;
  for (const character of product.replace(UNPRINTABLE, "")) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_BYTES) break;
    name += character;
  }
  return name;
}
