// /openapi/v2 and /openapi/v3: made when first asked for, and kept as compressed bytes only.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { loadDescriptions } from "@skiff/api/descriptions.ts";
import { notAcceptable } from "@skiff/api/errors.ts";
import type { KindDefinition } from "@skiff/api/kind.ts";
import type { VirtualKind } from "@skiff/api/kinds/virtual-kinds.ts";
import type { Answer, PathHandler, RequestContext } from "../http/endpoint.ts";
import { noSuchResource } from "../http/router.ts";
import { DocumentBuilder } from "./documents.ts";
import { encodeVersion2 } from "./encode-v2.ts";
import { encodeVersion3 } from "./encode-v3.ts";
import type { JsonObject } from "./json-schema.ts";

const PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
// What clients ask for is no valid media type, so answers of either kind carry this name, which Go's parser accepts.
const PROTOBUF_V2_VALID = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
// As client-go asks, and as upstream answers.
const PROTOBUF_V3 = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";
const PROTOBUF_V3_VALID = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
const JSON_TYPE = "application/json";
const ROOT_V3 = "/openapi/v3";

/** A document as it is kept; `hash` is that of the bytes before compression. */
interface Packed {
  readonly gzipped: Buffer;
  readonly hash: string;
}

/**
 * The handlers of both roots. Documents are megabytes of text, so that none is made before somebody asks.
 */
export function createOpenApiHandlers(
  kinds: readonly KindDefinition[],
  virtualKinds: readonly VirtualKind[],
): PathHandler[] {
  const store = new DocumentStore(kinds, virtualKinds);
  return [
    { path: "/openapi/v2", handle: (context) => serveVersion2(store, context) },
    { path: ROOT_V3, handle: (context) => serveVersion3(store, context) },
    { path: `${ROOT_V3}/`, handle: (context) => serveVersion3(store, context) },
  ];
}

/** Every document at most once, however many ask at the same time. */
class DocumentStore {
  private readonly kinds: readonly KindDefinition[];
  private readonly virtualKinds: readonly VirtualKind[];
  private readonly packed = new Map<string, Promise<Packed>>();
  private all: Promise<ReadonlyMap<string, Packed>> | undefined;

  constructor(kinds: readonly KindDefinition[], virtualKinds: readonly VirtualKind[]) {
    this.kinds = kinds;
    this.virtualKinds = virtualKinds;
  }

  version2(form: "json" | "protobuf"): Promise<Packed> {
    return this.once(form, async () => {
      const document = (await this.builder()).version2();
      return pack(form === "json" ? Buffer.from(JSON.stringify(document)) : encodeVersion2(document));
    });
  }

  /** One of version 3's documents; `name` is known. */
  version3Protobuf(name: string): Promise<Packed> {
    return this.once(`v3 ${name}`, async () => pack(encodeVersion3((await this.builder()).version3(name))));
  }

  /** All documents of version 3 by name: the index carries the hash of each. */
  version3(): Promise<ReadonlyMap<string, Packed>> {
    this.all ??= this.buildVersion3().catch((error: unknown) => {
      this.all = undefined;
      throw error;
    });
    return this.all;
  }

  private async buildVersion3(): Promise<ReadonlyMap<string, Packed>> {
    const builder = await this.builder();
    const documents = new Map<string, Packed>();
    // One after the other, so that only one document is in memory unpacked.
    for (const name of builder.groupVersions) documents.set(name, await pack(jsonBytes(builder.version3(name))));
    return documents;
  }

  private async builder(): Promise<DocumentBuilder> {
    await loadDescriptions();
    return new DocumentBuilder(this.kinds, this.virtualKinds);
  }

  private once(key: string, make: () => Promise<Packed>): Promise<Packed> {
    const known = this.packed.get(key);
    if (known) return known;
    const made = make();
    this.packed.set(key, made);
    // A failure is not kept: the next client tries again.
    made.catch(() => this.packed.delete(key));
    return made;
  }
}

function jsonBytes(document: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(document));
}

async function pack(bytes: Uint8Array): Promise<Packed> {
  const hash = createHash("sha512").update(bytes).digest("hex").toUpperCase();
  return { gzipped: await promisify(gzip)(bytes), hash };
}

async function serveVersion2(store: DocumentStore, context: RequestContext): Promise<Answer> {
  const type = wantedType(context, [JSON_TYPE, PROTOBUF_V2, PROTOBUF_V2_VALID]);
  const form = type === JSON_TYPE ? "json" : "protobuf";
  return send(context, await store.version2(form), form === "json" ? JSON_TYPE : PROTOBUF_V2_VALID, {});
}

async function serveVersion3(store: DocumentStore, context: RequestContext): Promise<Answer> {
  const name = context.info.path.slice(ROOT_V3.length).replace(/^\/+|\/+$/g, "");
  // Also for a single document: only known names may become keys of the store.
  const documents = await store.version3();
  if (name === "") return { code: 200, contentType: JSON_TYPE, bytes: JSON.stringify(indexOf(documents)) };
  const document = documents.get(name);
  if (!document) throw noSuchResource();
  const type = wantedType(context, [JSON_TYPE, PROTOBUF_V3, PROTOBUF_V3_VALID]);
  const asked = context.query.get("hash");
  // A client with an index from before an upgrade is sent to the present document.
  if (asked && asked !== document.hash) {
    return { code: 301, contentType: JSON_TYPE, bytes: "", headers: { location: urlOf(name, document) } };
  }
  // The hash is part of the address, so what is there never changes.
  const caching = asked ? { "cache-control": "public, immutable", expires: FAR_FUTURE } : {};
  if (type === JSON_TYPE) return send(context, document, JSON_TYPE, caching);
  // Known by the hash of the JSON form, as the index gives no other.
  const { gzipped } = await store.version3Protobuf(name);
  return send(context, { gzipped, hash: document.hash }, PROTOBUF_V3_VALID, caching);
}

/** For caches that know `Expires` only. */
const FAR_FUTURE = "Fri, 31 Dec 2100 00:00:00 GMT";

/** What client-go reads first: the address of each group version, by which it tells whether its copy is still good. */
function indexOf(documents: ReadonlyMap<string, Packed>): object {
  const paths = [...documents].map(([name, packed]) => [name, { serverRelativeURL: urlOf(name, packed) }]);
  return { paths: Object.fromEntries(paths) };
}

function urlOf(name: string, { hash }: Packed): string {
  return `${ROOT_V3}/${name}?hash=${hash}`;
}

/** The first of the client's types that is served; clients that do not care get JSON. Throws 406. */
function wantedType({ raw }: RequestContext, served: readonly string[]): string {
  const accept = String(raw.headers.accept ?? "");
  const ranges = accept.split(",").map((range) => range.split(";")[0]?.trim() ?? "");
  for (const range of ranges) {
    if (range === "" || range === "*/*" || range === "application/*") return JSON_TYPE;
    if (served.includes(range)) return range;
  }
  throw notAcceptable(served);
}

async function send(
  context: RequestContext,
  { gzipped, hash }: Packed,
  contentType: string,
  caching: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { headers: asked } = context.raw;
  const etag = `"${hash}"`;
  const headers = { etag, vary: "Accept, Accept-Encoding", ...caching };
  // kubectl keeps the document on disk and asks with its ETag each time.
  if (String(asked["if-none-match"] ?? "").includes(etag)) return { code: 304, contentType, bytes: "", headers };
  if (!String(asked["accept-encoding"] ?? "").includes("gzip")) {
    return { code: 200, contentType, bytes: await promisify(gunzip)(gzipped), headers };
  }
  // As a live stream, so that nobody compresses it a second time.
  const stream = Readable.from([gzipped]);
  return { code: 200, contentType, stream, live: true, headers: { ...headers, "content-encoding": "gzip" } };
}
