// Numbers in the query strings of lists and watches.
import { badRequest, invalid } from "@skiff/api/errors.ts";

/** A resourceVersion; throws upstream's 422 when it is not one. */
export function readRevision(text: string): number {
  if (!/^\d{1,16}$/.test(text)) {
    throw invalid("meta.k8s.io", "ListOptions", "", [
      { type: "FieldValueInvalid", field: "resourceVersion", value: text, detail: "must be an unsigned integer" },
    ]);
  }
  return Number(text);
}

/** A count such as `limit`; 0 when absent. */
export function readCount(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? "";
  if (text === "") return 0;
  if (!/^-?\d{1,15}$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Math.max(0, Number(text));
}
