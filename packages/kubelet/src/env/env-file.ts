// One variable out of a file that an init container wrote: lines of `NAME='value'`, a part of what a POSIX shell reads.

/**
 * The value of the first assignment to `key`; undefined where there is none before the end. Throws for what a shell would read
 * otherwise, or not at all, with the line's number; what comes after the assignment is not looked at, as upstream.
 */
export function readEnvFile(text: string, key: string): string | undefined {
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const end = endOfLine(text, at);
    const start = at + (/^\s*/.exec(text.slice(at, end))?.[0].length ?? 0);
    if (start < end && text[start] !== "#") {
      const { name, value, next } = readAssignment(text, start, line);
      if (name === key) return value;
      line += value.split("\n").length - 1;
      at = next;
    } else at = end;
    at += 1;
    line += 1;
  }
  return undefined;
}

interface Assignment {
  readonly name: string;
  readonly value: string;
  /** The end of its last line. */
  readonly next: number;
}

function readAssignment(text: string, start: number, line: number): Assignment {
  const equals = text.indexOf("=", start);
  const name = text.slice(start, equals);
  if (equals <= start || name.includes("\n")) throw problem("invalid environment variable format", line);
  if (/\s/.test(name)) throw problem("whitespace before '=' is not allowed", line);
  if (text[equals + 1] !== "'") throw problem("value must be enclosed in single quotes", line);
  const close = text.indexOf("'", equals + 2);
  if (close < 0) throw problem("unclosed single quote", line);
  const next = endOfLine(text, close);
  // A comment needs a space before it, or it would be part of the value.
  if (!/^(\s*|\s+#.*)$/.test(text.slice(close + 1, next)))
    throw problem("unexpected content after closing quote", line);
  return { name, value: text.slice(equals + 2, close), next };
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

function problem(what: string, line: number): Error {
  return new Error(`${what} at line ${line}`);
}
