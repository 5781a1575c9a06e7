// The query strings of lists and watches: numbers, and which options go together.
import { badRequest, type FieldError, invalid } from "@skiff/api/errors.ts";

/** A resourceVersion; throws 400 when it is none. Upstream answers 500 to a watch and a get with a bad one, in the same words. */
export function readRevision(text: string): number {
  const isNumber = /^\d{1,40}$/.test(text);
  // A number that etcd never reaches is as good as the largest that can be compared.
  if (isNumber && BigInt(text) <= MAX_UINT64) return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
  const why = isNumber ? "value out of range" : "invalid syntax";
  const quoted = JSON.stringify(text);
  throw badRequest(
    `invalid resource version: resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${why}`,
  );
}

const MAX_UINT64 = 2n ** 64n - 1n;

/** A count such as `limit`; 0 when absent. */
export function readCount(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? "";
  if (text === "") return 0;
  if (!/^-?\d{1,15}$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Math.max(0, Number(text));
}

/** The combinations that a list may not have, as 422 with every cause. Unset, the match follows from version and limit. */
export function checkListOptions(query: URLSearchParams): void {
  const match = query.get("resourceVersionMatch") ?? "";
  const version = query.get("resourceVersion") ?? "";
  const causes: FieldError[] = [];
  if (match !== "") {
    if (version === "") causes.push(matchForbidden("is forbidden unless resourceVersion is provided"));
    if (query.get("continue")) causes.push(matchForbidden("is forbidden when continue is provided"));
    if (match !== "Exact" && match !== "NotOlderThan") causes.push(unknownMatch(match, ["Exact", "NotOlderThan", ""]));
    if (match === "Exact" && version === "0") {
      causes.push(matchForbidden('"exact" is forbidden for resourceVersion "0"'));
    }
  }
  if (query.has("sendInitialEvents")) {
    causes.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  refuse(causes);
}

/** The same for a watch. */
export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get("resourceVersionMatch") ?? "";
  const sendsInitial = query.has("sendInitialEvents");
  const causes: FieldError[] = [];
  if (sendsInitial && match !== "NotOlderThan") {
    causes.push(forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  }
  if (match !== "") {
    if (!sendsInitial) causes.push(matchForbidden("is forbidden for watch unless sendInitialEvents is provided"));
    if (match !== "NotOlderThan") causes.push(unknownMatch(match, ["NotOlderThan"]));
    if (query.get("continue")) causes.push(matchForbidden("is forbidden when continue is provided"));
  }
  refuse(causes);
}

const MATCH = "resourceVersionMatch";

function forbidden(field: string, detail: string): FieldError {
  return { type: "FieldValueForbidden", field, detail };
}

function matchForbidden(detail: string): FieldError {
  return forbidden(MATCH, `${MATCH} ${detail}`);
}

function unknownMatch(value: string, words: readonly string[]): FieldError {
  const detail = `supported values: ${words.map((word) => JSON.stringify(word)).join(", ")}`;
  return { type: "FieldValueNotSupported", field: MATCH, value, detail };
}

function refuse(causes: readonly FieldError[]): void {
  if (causes.length > 0) throw invalid("meta.k8s.io", "ListOptions", "", causes);
}
