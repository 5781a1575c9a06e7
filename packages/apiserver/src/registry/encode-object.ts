// One object as an answer: its bytes as they are, or the view that the client asked for.
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { formatYaml } from "../http/format-yaml.ts";
import { negotiate } from "../http/negotiate.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import { storedInVersion } from "./served-version.ts";
import { partialOf, readIncludeObject, tableOf } from "./views.ts";

/**
 * The answer with one object in the form that the client accepts; `nowMs` is for the ages in Tables. Throws 406 for a
 * form that it cannot have.
 */
export function encodeObject(found: StoredObject, exchange: Exchange, code: number, nowMs: number): Answer {
  const { query, raw, info } = exchange;
  const stored = storedInVersion(found, info);
  const { view, media, pretty } = negotiate(raw.headers, query, ["Table", "PartialObjectMetadata"]);
  // An object that was not stored (dry run of a create) has no revision yet.
  if (!view && media === "json" && !pretty && stored.revision > 0) {
    return { code, contentType: "application/json", bytes: stored.encode() };
  }
  let object: object = stored.revision > 0 ? stored.object() : withoutRevision(stored);
  if (view?.kind === "Table") {
    const options = { version: view.version, includeObject: readIncludeObject(query), nowMs };
    object = tableOf(stored.kind, [stored], { resourceVersion: String(stored.revision) }, options);
  } else if (view) {
    object = partialOf(stored.object(), view.version);
  }
  if (media === "yaml") return { code, contentType: "application/yaml", bytes: formatYaml(object) };
  return { code, contentType: "application/json", bytes: `${JSON.stringify(object, null, pretty ? 2 : 0)}\n` };
}

function withoutRevision(stored: StoredObject): object {
  const { resourceVersion: _none, ...metadata } = stored.copy().metadata;
  return { ...stored.copy(), metadata };
}
