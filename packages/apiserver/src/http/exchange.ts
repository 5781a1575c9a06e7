// One request and its response on their way through the server.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { AuditedRequest } from "../audit/audited-request.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { RequestSpan } from "../tracing/tracer.ts";
import type { ByteBudget, Room } from "./byte-budget.ts";
import type { RequestContext } from "./endpoint.ts";
import { parseRequestInfo } from "./parse-request-info.ts";
import { bodyMedia, expectedBytes, parseBody, readBytes } from "./read-body.ts";
import type { RequestInfo } from "./request-info.ts";

/** Either protocol's request. */
export type RawRequest = IncomingMessage | Http2ServerRequest;
/** Either protocol's response: HTTP/2's has the same methods. */
export type RawResponse = ServerResponse;

/** The context that handlers see. The filters fill `user` in before any handler runs. */
export class Exchange implements RequestContext {
  readonly raw: RawRequest;
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly warnings: string[] = [];
  user: UserInfo = NOBODY;
  /** What the audit log says of this request, where it says anything. */
  audit: AuditedRequest | undefined;
  /** Its place in a trace, where there is tracing. */
  span: RequestSpan | undefined;
  /** How long it waited for its turn. */
  waitedMs = 0;
  /** Of an API that is deprecated: the release that will not have it, or an empty text. */
  removedRelease: string | undefined;
  /** What the answer says of priority and fairness. */
  flowHeaders: Readonly<Record<string, string>> | undefined;
  private isReleased = false;
  private id: string | undefined;
  private controller: AbortController | undefined;
  private aborted: Error | undefined;
  private body: Promise<Buffer> | undefined;
  private readonly bodies: ByteBudget | undefined;
  private room: Room | undefined;

  /** Without a budget bodies are bounded one by one only. */
  constructor(raw: RawRequest, bodies?: ByteBudget) {
    this.raw = raw;
    this.bodies = bodies;
    const url = raw.url ?? "/";
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1));
    this.info = parseRequestInfo(raw.method ?? "GET", path, this.query);
  }

  /** The client's own id of the request, or one made up: it is in the answer and in the audit log. */
  get auditId(): string {
    this.id ??= askedId(this.raw.headers["audit-id"]) ?? randomUUID();
    return this.id;
  }

  /** Whether somebody has asked for the body. */
  get hasBody(): boolean {
    return this.body !== undefined;
  }

  /** Made when first asked for: most requests end before anybody would. */
  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.aborted) this.controller.abort(this.aborted);
    }
    return this.controller.signal;
  }

  abort(reason: Error): void {
    this.aborted ??= reason;
    this.controller?.abort(reason);
  }

  warn(text: string): void {
    if (this.warnings.length < MAX_WARNINGS && !this.warnings.includes(text)) this.warnings.push(text);
  }

  annotate(key: string, value: string): void {
    this.audit?.annotate(key, value);
  }

  /** The body as it came; read once. */
  readBytes(): Promise<Buffer> {
    this.body ??= this.readWithinBudget();
    return this.body;
  }

  /** The answer has left: nobody needs the body any more. */
  releaseBody(): void {
    this.room?.release();
    this.isReleased = true;
  }

  private async readWithinBudget(): Promise<Buffer> {
    const expected = expectedBytes(this.raw);
    const taken = expected > 0 ? this.bodies?.take(this.user.name, expected, () => this.signal) : undefined;
    const room = taken instanceof Promise ? await taken : taken;
    this.room = room;
    // The client may have left while this waited.
    if (this.isReleased) room?.release();
    const bytes = await readBytes(this.raw);
    room?.shrink(bytes.length);
    return bytes;
  }

  async readBody(): Promise<unknown> {
    const media = bodyMedia(this.raw.headers["content-type"]);
    return parseBody(await this.readBytes(), media);
  }
}

function askedId(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" && /^[\x21-\x7e]{1,64}$/.test(header) ? header : undefined;
}

const NOBODY: UserInfo = { name: "", groups: [], extra: {} };
const NO_QUERY = new URLSearchParams();
/** Warnings are headers, which clients bound: an object with thousands of unknown fields must still get its answer. */
const MAX_WARNINGS = 50;
