// `$(NAME)` references in commands, arguments and environment values, as upstream expands them.

/** Replaces each `$(NAME)` that `lookup` knows; `$$` stands for `$`, and everything unknown stays as it is. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let out = "";
  let at = 0;
  while (at < text.length) {
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
