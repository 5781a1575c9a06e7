// Which form of an answer a client wants: media type, and the view that `as=` asks for.
import { notAcceptable } from "@skiff/api/errors.ts";
import { isTrue } from "./parse-request-info.ts";

/** What kubectl shows as columns is a Table; metadata informers ask for the partial forms. */
export type ViewKind = "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList";

/** `view` is undefined for the object as it is. */
export interface OutputFormat {
  readonly media: "json" | "yaml";
  readonly view: { readonly kind: ViewKind; readonly version: "v1" | "v1beta1" } | undefined;
  readonly pretty: boolean;
}

/** One media range of an Accept header. */
interface Clause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** What a 406 offers. Protobuf is read and never written: clients take JSON then. */
const MEDIA_TYPES = ["application/json", "application/yaml"] as const;

/**
 * Picks the first acceptable clause in the client's order of preference; `views` are those that this answer can be
 * shown as. Throws 406 when there is none.
 */
export function negotiate(
  headers: { readonly accept?: string | undefined; readonly "user-agent"?: string | undefined },
  query: URLSearchParams,
  views: readonly ViewKind[],
): OutputFormat {
  const pretty = wantsPretty(headers["user-agent"], query);
  const { accept } = headers;
  if (!accept || accept === "application/json" || accept === "*/*") return { media: "json", view: undefined, pretty };
  for (const clause of parseAccept(accept)) {
    const media = mediaOf(clause.type);
    if (!media) continue;
    const wanted = clause.parameters.get("as");
    if (!wanted) return { media, view: undefined, pretty };
    const kind = views.find((view) => view === wanted);
    const version = clause.parameters.get("v");
    if (!kind || clause.parameters.get("g") !== "meta.k8s.io") continue;
    if (version === "v1" || version === "v1beta1") return { media, view: { kind, version }, pretty };
  }
  throw notAcceptable(MEDIA_TYPES);
}

/** Media type for an answer that has no views (Status, discovery): `as` and its friends are somebody else's business. */
export function negotiateMedia(accept: string | undefined): "json" | "yaml" {
  if (!accept) return "json";
  for (const clause of parseAccept(accept)) {
    const media = mediaOf(clause.type);
    if (media) return media;
  }
  return "json";
}

/** Asked for with `pretty`, or guessed from a program that people read the output of, as upstream does. */
export function wantsPretty(userAgent: string | undefined, query: URLSearchParams): boolean {
  const asked = query.get("pretty");
  if (asked !== null) return isTrue(asked);
  return userAgent !== undefined && /^(curl|Wget|Mozilla\/5\.0)/.test(userAgent);
}

/** In the client's order of preference, without what it refuses. */
export function parseAccept(header: string): Clause[] {
  const clauses = header.slice(0, MAX_ACCEPT).split(",").map(parseClause);
  const usable = clauses.filter((clause) => clause.quality > 0);
  return usable.some((clause) => clause.quality < 1) ? usable.sort((a, b) => b.quality - a.quality) : usable;
}

/** Characters of the header that are looked at. */
const MAX_ACCEPT = 4096;

function parseClause(text: string): Clause {
  const [type = "", ...rest] = text.split(";").map((part) => part.trim());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const at = part.indexOf("=");
    if (at > 0) parameters.set(part.slice(0, at).toLowerCase(), part.slice(at + 1));
  }
  const quality = Number(parameters.get("q") ?? 1);
  return { type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 0 };
}

function mediaOf(type: string): "json" | "yaml" | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  return type === "application/yaml" ? "yaml" : undefined;
}
