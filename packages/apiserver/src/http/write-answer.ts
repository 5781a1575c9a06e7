// Puts an Answer on the wire: encodes, compresses where it pays, and respects a slow reader.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, type Gzip } from "node:zlib";
import { type BodyParts, PartsStream, sendParts } from "./body-parts.ts";
import type { Answer } from "./endpoint.ts";
import type { Exchange, RawResponse } from "./exchange.ts";
import { formatYaml } from "./format-yaml.ts";
import { canSendLiveBody, sendLiveBody } from "./live-body.ts";
import { negotiateMedia, wantsPretty } from "./negotiate.ts";

/** Resolves with the body's bytes when the last was handed to the connection, rejects when the client is gone. */
export async function writeAnswer(exchange: Exchange, response: RawResponse, answer: Answer): Promise<number> {
  if ("stream" in answer) return await writeStream(exchange, response, answer);
  const { bytes, contentType } = "bytes" in answer ? answer : encode(exchange, answer.object);
  const body = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  if (body.length >= GZIP_FROM_BYTES && acceptsGzip(exchange)) {
    return await writeStream(exchange, response, { ...answer, contentType, stream: Readable.from([body]) });
  }
  const headers = headersOf(exchange, contentType, answer.headers);
  headers["content-length"] = String(body.length);
  response.writeHead(answer.code, headers);
  if (exchange.raw.method === "HEAD") {
    response.end();
    return 0;
  }
  response.end(body);
  return body.length;
}

type Headers = Record<string, string | string[]>;

async function writeStream(
  exchange: Exchange,
  response: RawResponse,
  answer: Extract<Answer, { stream: NodeJS.ReadableStream }>,
): Promise<number> {
  const headers = headersOf(exchange, answer.contentType, answer.headers);
  // A compressor holds bytes back, and a watch must deliver each event when it happens.
  const compress = !answer.live && acceptsGzip(exchange) && isText(answer.contentType);
  if (compress) Object.assign(headers, { "content-encoding": "gzip", vary: "Accept-Encoding" });
  else if (answer.length !== undefined) headers["content-length"] = String(answer.length);
  try {
    response.writeHead(answer.code, headers);
    response.flushHeaders();
    const gzip = compress ? createGzip({ level: constants.Z_BEST_SPEED }) : undefined;
    if (exchange.raw.method === "HEAD") {
      response.end();
      return 0;
    }
    if (answer.stream instanceof PartsStream) return await writeParts(answer.stream.parts, gzip, response);
    const sent = countBytes(gzip ?? answer.stream);
    if (answer.live && canSendLiveBody(response)) await sendLiveBody(answer.stream as Readable, response);
    else await pipeline([answer.stream, ...(gzip ? [gzip] : []), response as NodeJS.WritableStream]);
    return sent();
  } finally {
    // A stream that nobody reads to its end (a HEAD, a client that left) still holds what it watches.
    if ("destroy" in answer.stream && typeof answer.stream.destroy === "function") answer.stream.destroy();
  }
}

async function writeParts(parts: BodyParts, gzip: Gzip | undefined, response: RawResponse): Promise<number> {
  if (!gzip) return await sendParts(parts, response);
  const sent = countBytes(gzip);
  // The part that fails first tells why, and ends the other.
  await Promise.all([pipeline(gzip, response), sendParts(parts, gzip)]);
  return sent();
}

/** To be called in the same turn as whoever takes the stream's data: listening makes it flow. */
function countBytes(stream: NodeJS.ReadableStream): () => number {
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  return () => bytes;
}

function encode(exchange: Exchange, object: object): { bytes: string; contentType: string } {
  if (negotiateMedia(exchange.raw.headers.accept) === "yaml") {
    return { bytes: formatYaml(object), contentType: "application/yaml" };
  }
  const pretty = wantsPretty(exchange.raw.headers["user-agent"], exchange.query);
  return { bytes: `${JSON.stringify(object, null, pretty ? 2 : 0)}\n`, contentType: "application/json" };
}

/** What every answer carries. No cache may keep any: the next user may not be allowed to see it. */
function headersOf(exchange: Exchange, contentType: string, extra: Readonly<Record<string, string>> = {}): Headers {
  const headers: Headers = {
    "audit-id": exchange.auditId,
    "cache-control": "no-cache, private",
    "content-type": contentType,
    ...exchange.flowHeaders,
    ...extra,
  };
  if (exchange.warnings.length > 0) headers.warning = exchange.warnings.map(warningHeader);
  return headers;
}

/** Code 299 of RFC 7234, which kubectl prints as `Warning: …`. The agent is `-`. */
function warningHeader(text: string): string {
  // A header takes printable Latin-1 only.
  const clean = text
    .replace(/[^\x20-\x7e]/g, "?")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"');
  return `299 - "${clean}"`;
}

/** Upstream's threshold: below it compressing costs more than it saves in a fast network. */
const GZIP_FROM_BYTES = 128 * 1024;

function acceptsGzip(exchange: Exchange): boolean {
  const accepted = exchange.raw.headers["accept-encoding"];
  return accepted !== undefined && String(accepted).includes("gzip");
}

function isText(contentType: string): boolean {
  return contentType.startsWith("application/json") || contentType.startsWith("application/yaml");
}
