// Reads a URL as upstream's RequestInfo resolver does.
import { parseFieldSelector } from "@skiff/api/fields.ts";
import type { RequestInfo } from "./request-info.ts";

/** `path` is still percent-encoded. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const parts = path.split("/").filter(Boolean);
  const prefixLength = parts[0] === "api" ? 2 : parts[0] === "apis" ? 3 : 0;
  if (prefixLength === 0 || parts.length <= prefixLength) return plainPath(method, path);
  const group = prefixLength === 3 ? (parts[1] ?? "") : "";
  const version = parts[prefixLength - 1] ?? "";
  const rest = parts.slice(prefixLength).map(decodeSegment);
  // The deprecated /api/v1/watch/… prefix still works for clients that use it.
  const watchPrefix = rest[0] === "watch" && rest.length > 1;
  const place = locate(watchPrefix ? rest.slice(1) : rest);
  const verb = watchPrefix ? "watch" : verbOf(method, place.name, query);
  const name = place.name || (COLLECTION_VERBS.has(verb) ? nameFromSelector(query) : "");
  return { isResourceRequest: true, path, verb, group, version, ...place, name };
}

/** Verbs of requests without a name in the path. */
const COLLECTION_VERBS: ReadonlySet<string> = new Set(["list", "watch", "deletecollection"]);

/** Subresources of Namespace: what else follows a namespace's name is a resource inside it. */
const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(["status", "finalize"]);

type Place = Pick<RequestInfo, "namespace" | "resource" | "name" | "subresource" | "rest">;

/** `namespaces/NS/RESOURCE/NAME/SUBRESOURCE/…`, or the same without the namespace. */
function locate(parts: readonly string[]): Place {
  const inNamespace = parts[0] === "namespaces" && parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2] ?? "");
  const [resource = "", name = "", subresource = "", ...rest] = inNamespace ? parts.slice(2) : parts;
  // A namespace is said to live in itself, so that a role inside it can grant reading it.
  const namespace = inNamespace ? (parts[1] ?? "") : resource === "namespaces" ? name : "";
  return { namespace, resource, name, subresource, rest: rest.join("/") };
}

/** For these the verb is the method, as nonResourceURLs rules name it. */
function plainPath(method: string, path: string): RequestInfo {
  return {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    group: "",
    version: "",
    namespace: "",
    resource: "",
    subresource: "",
    name: "",
    rest: "",
  };
}

/** From method to the verb of authorization. */
function verbOf(method: string, name: string, query: URLSearchParams): string {
  switch (method) {
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name ? "delete" : "deletecollection";
    case "GET":
    case "HEAD":
      // A name makes it a get whatever else is asked for: who may watch one object must not see them all.
      if (name) return "get";
      return isTrue(query.get("watch")) ? "watch" : "list";
    default:
      // HTTP/2 carries any word as a method: `LIST` on one object's path must not become the verb that lists them all.
      return "";
  }
}

/** Booleans in query strings, as upstream converts them: `0` and `false` are false, anything else is true. */
export function isTrue(text: string | null): boolean {
  if (text === null) return false;
  const lower = text.toLowerCase();
  return lower !== "false" && lower !== "0";
}

/** A list of one object by `metadata.name=x` is authorized as that object's. */
function nameFromSelector(query: URLSearchParams): string {
  const selector = query.get("fieldSelector");
  if (!selector) return "";
  try {
    // The same reading as the selection's own, or somebody could be authorized for one object and get another.
    const name = parseFieldSelector(selector).requiredValue("metadata.name") ?? "";
    return name === "." || name === ".." || /[/%]/.test(name) ? "" : name;
  } catch {
    return "";
  }
}

/** What cannot be decoded stays as it is, and names nothing. */
function decodeSegment(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
