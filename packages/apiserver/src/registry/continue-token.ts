// The opaque tokens of paged lists: where to go on, and at which revision.
import { badRequest } from "@skiff/api/errors.ts";

export interface ContinueToken {
  /** -1 for "whatever is newest": the token that comes with an expired one. */
  readonly revision: number;
  /** First key not yet listed, without the resource's directory. */
  readonly start: string;
}

export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv: token.revision, start: token.start })).toString("base64url");
}

/** Throws 400 for anything that encodeContinue did not make. */
export function decodeContinue(text: string): ContinueToken {
  let value: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString()) ?? {};
  } catch {
    throw badRequest("continue key is not valid: it is not a token of this server");
  }
  const { v, rv, start } = value;
  if (v !== VERSION || !Number.isSafeInteger(rv) || typeof start !== "string" || start === "") {
    throw badRequest("continue key is not valid: incorrect encoded start resourceVersion or start key");
  }
  if (start.includes("..") || (rv as number) < -1 || rv === 0) throw badRequest("continue key is not valid");
  return { revision: rv as number, start };
}

const VERSION = "meta.k8s.io/v1";
