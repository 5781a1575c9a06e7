// One request and its response on their way through the server.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { setImmediate } from "node:timers/promises";
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
  private readonly warned: string[] = [];
  user: UserInfo = NOBODY;
  /** What the audit log says of this request, where it says anything. */
  audit: AuditedRequest | undefined;
  /** Its place in a trace, where there is tracing. */
  span: RequestSpan | undefined;
  /** How long it may take; undefined for what has no deadline. */
  timeoutMs: number | undefined;
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
  private isLarge = false;
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
    const said = this.warned.reduce((sum, warning) => sum + Math.min(warning.length, MAX_WARNING), 0);
    if (said < MAX_WARNINGS && !this.warned.includes(text)) this.warned.push(text);
  }

  /** What the answer warns of: all of it in full where that is short, the beginning of each otherwise. */
  get warnings(): readonly string[] {
    const total = this.warned.reduce((sum, warning) => sum + warning.length, 0);
    return total <= MAX_WARNINGS ? this.warned : this.warned.map((warning) => warning.slice(0, MAX_WARNING));
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
    this.isLarge = bytes.length > LARGE_BODY_BYTES;
    return bytes;
  }

  /**
   * Between two steps of the work on a body. A large one gives everybody else a turn there: a step takes tenths of a
   * second at most, all of them together over one.
   */
  pause(): Promise<void> | undefined {
    return this.isLarge ? setImmediate() : undefined;
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
/** Such a body costs some ten milliseconds in all. */
const LARGE_BODY_BYTES = 128 * 1024;
const NO_QUERY = new URLSearchParams();
/**
 * Upstream's bounds in characters, of all and of one where all are too much: warnings are headers, which clients bound, and
 * an object with thousands of unknown fields must still get its answer.
 */
const MAX_WARNINGS = 4096;
const MAX_WARNING = 256;
