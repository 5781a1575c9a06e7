// Checks base64 texts as Go's standard encoding does: padded, line breaks ignored, the offset of what is wrong.

/** A text that is no base64; `message` is Go's. */
export class Base64Error extends Error {}

/** The canonical text (without line breaks and stray bits); throws Base64Error. */
export function canonicalBase64(text: string): string {
  const at = firstFault(text);
  if (at >= 0) throw new Base64Error(`illegal base64 data at input byte ${at}`);
  const isPlain = text.length % 4 === 0 && !text.includes("\n") && !text.includes("\r") && !text.endsWith("=");
  return isPlain ? text : Buffer.from(text, "base64").toString("base64");
}

/** The offset that Go would name, or -1. */
function firstFault(text: string): number {
  let inGroup = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 10 || code === 13) continue;
    if (code === 61) return paddingFault(text, i, inGroup);
    if (!isDigit(code)) return i;
    inGroup = (inGroup + 1) % 4;
  }
  return inGroup === 0 ? -1 : text.length - inGroup;
}

/** Padding may only complete the last group of four. */
function paddingFault(text: string, start: number, inGroup: number): number {
  if (inGroup < 2) return start;
  let at = skipBreaks(text, start + 1);
  if (inGroup === 2) {
    if (at === text.length) return text.length;
    if (text[at] !== "=") return at;
    at = skipBreaks(text, at + 1);
  }
  return at < text.length ? at : -1;
}

function skipBreaks(text: string, from: number): number {
  let at = from;
  while (text[at] === "\n" || text[at] === "\r") at++;
  return at;
}

function isDigit(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 43 ||
    code === 47
  );
}
