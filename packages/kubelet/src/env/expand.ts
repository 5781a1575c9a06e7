// `$(NAME)` references in commands, arguments and environment values, as upstream expands them.

/** The most that the runtime takes in one message: variables that hold one another would else fill the kubelet's memory. */
export const MAX_EXPANDED = 16 * 1024 * 1024;

/**
 * Replaces each `$(NAME)` that `lookup` knows; `$$` stands for `$`, and everything unknown stays as it is. Throws a
 * RangeError when that would take more than `MAX_EXPANDED` characters.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let out = "";
  let at = 0;
  while (at < text.length) {
    if (out.length > MAX_EXPANDED) throw tooLong();
    const dollar = text.indexOf("$", at);
    if (dollar < 0 || dollar === text.length - 1) return out + text.slice(at);
    out += text.slice(at, dollar);
    const next = text[dollar + 1];
    const end = next === "(" ? text.indexOf(")", dollar) : -1;
    if (end > 0) {
      const name = text.slice(dollar + 2, end);
      out += lookup(name) ?? `$(${name})`;
      at = end + 1;
    } else if (next === "$") {
      out += "$";
      at = dollar + 2;
    } else {
      // An operator that opens nothing, such as `$(` without an end or `$x`, is ordinary text.
      out += `$${next}`;
      at = dollar + 2;
    }
  }
  return out;
}

/** The words of one command; the bound holds for all of them together. */
export function expandAll(words: readonly string[], lookup: (name: string) => string | undefined): string[] {
  let size = 0;
  return words.map((word) => {
    const expanded = expand(word, lookup);
    size += expanded.length;
    if (size > MAX_EXPANDED) throw tooLong();
    return expanded;
  });
}

function tooLong(): RangeError {
  return new RangeError(`more than ${MAX_EXPANDED} characters once it is expanded`);
}
