// Paths into a document as upstream's decoder writes them: `spec.containers[0].image`.

/** A field's name, an index into a list, or a key of a map, which upstream leaves out of some messages. */
export type PathPart = string | number | { readonly key: string };

/** Keys look like fields here: `metadata.labels.app`. */
export function formatPath(parts: readonly PathPart[]): string {
  let text = "";
  for (const part of parts) {
    if (typeof part === "number") text += `[${part}]`;
    else {
      const name = typeof part === "string" ? part : part.key;
      text += text === "" ? name : `.${name}`;
    }
  }
  return text;
}
