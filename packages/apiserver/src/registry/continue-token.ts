// The opaque tokens of paged lists: where to go on, and at which revision.
import { badRequest } from "@skiff/api/errors.ts";
import { scanJson } from "@skiff/api/json-syntax.ts";

/** What a client hands back to get the next page; to the client it is opaque. */
export interface ContinueToken {
  /** -1 for "whatever is newest": the token that comes with an expired one. */
  readonly revision: number;
  /** First key not yet listed, without the resource's directory. */
  readonly start: string;
}

/** JSON in base64url, in upstream's form. */
export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv: token.revision, start: token.start })).toString("base64url");
}

/** Throws 400 for anything that encodeContinue did not make. */
export function decodeContinue(text: string): ContinueToken {
  const at = wrongByte(text);
  if (at !== undefined) throw notValid(`illegal base64 data at input byte ${at}`);
  const value = parseToken(Buffer.from(text, "base64url").toString());
  const { v, rv, start } = value;
  if (v !== VERSION) throw notValid(`server does not recognize this encoded version ${JSON.stringify(v ?? "")}`);
  if (rv === undefined || rv === 0) {
    throw notValid(`incorrect encoded start resourceVersion (version ${VERSION})`);
  }
  if (typeof start !== "string" || start === "") throw notValid(`encoded start key empty (version ${VERSION})`);
  // A made-up key could otherwise lead out of the kind's directory.
  if (!Number.isSafeInteger(rv) || (rv as number) < -1 || start.includes("..")) throw notValid(start);
  return { revision: rv as number, start };
}

function parseToken(text: string): { v?: unknown; rv?: unknown; start?: unknown } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    // V8's words are not upstream's.
    throw notValid(scanJson(text).syntaxError ?? "invalid JSON");
  }
}

function notValid(why: string): Error {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`);
}

/** Where Go's decoder would stop: at a foreign character, or at a last one that stands alone. */
function wrongByte(text: string): number | undefined {
  const foreign = text.search(/[^A-Za-z0-9_-]/);
  if (foreign >= 0) return foreign;
  return text.length % 4 === 1 ? text.length - 1 : undefined;
}

const VERSION = "meta.k8s.io/v1";
