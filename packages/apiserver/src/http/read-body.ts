// Request bodies: bounded, and parsed as their content type says.
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { parseJsonFast } from "@skiff/api/decode.ts";
import { badRequest, requestEntityTooLarge, unsupportedMediaType } from "@skiff/api/errors.ts";
import { decodeProtobuf, PROTOBUF_MEDIA_TYPE } from "./protobuf/decode-protobuf.ts";
import { parseYaml } from "./yaml.ts";

/** Upstream's bound: twice what etcd takes, since the stored form may be shorter than the one sent. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** How long the body may be: what its sender says, or the bound where he does not say. Throws 413 for what is too large. */
export function expectedBytes(request: IncomingMessage | Http2ServerRequest): number {
  if (!hasBody(request)) return 0;
  const said = request.headers["content-length"];
  const length = said !== undefined && /^\d{1,15}$/.test(said) ? Number(said) : MAX_BODY_BYTES;
  if (length > MAX_BODY_BYTES) throw requestEntityTooLarge(MAX_BODY_BYTES);
  return length;
}

/** Whatever the method. */
export function hasBody(request: IncomingMessage | Http2ServerRequest): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** The whole body; throws 413 as soon as it is known to be too large. */
export function readBytes(request: IncomingMessage | Http2ServerRequest): Promise<Buffer> {
  const limit = MAX_BODY_BYTES;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) return reject(requestEntityTooLarge(limit));
      chunks.push(chunk);
    });
    request.on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on("error", reject);
    request.on("aborted", () => reject(badRequest("the client closed the request")));
  });
}

/** The three forms that are read. */
export type BodyMedia = "json" | "yaml" | "protobuf";

/** How a body is written; JSON when nothing is said. Throws 415 for what cannot be read. */
export function bodyMedia(contentType: string | undefined): BodyMedia {
  const type = mediaTypeOf(contentType);
  if (type === "" || type === "application/json" || JSON_PATCHES.has(type)) return "json";
  if (type === "application/yaml" || type === "application/apply-patch+yaml") return "yaml";
  if (type === PROTOBUF_MEDIA_TYPE) return "protobuf";
  throw unsupportedMediaType(["application/json", "application/yaml", PROTOBUF_MEDIA_TYPE]);
}

/** `application/json` of `application/json; charset=utf-8`. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Patches are JSON whatever they do. */
const JSON_PATCHES: ReadonlySet<string> = new Set([
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
]);

/** Throws 400 for text that is not of that form. */
export function parseBody(bytes: Buffer, media: BodyMedia): unknown {
  if (media === "protobuf") return decodeProtobuf(bytes);
  const text = bytes.toString("utf8");
  return media === "yaml" ? parseYaml(text) : parseJsonFast(text);
}
