// One request as the audit log tells it: an audit.k8s.io/v1 Event per stage, with as much in it as its level allows.
import { Transform } from "node:stream";
import { type Clock, formatMicroTime } from "@skiff/component-base/clock.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { objectReference, sourceAddresses, userFields } from "./event-fields.ts";
import type { AuditDecision, AuditStage } from "./policy.ts";
import { readAnswer, readRequestObject, withoutManagedFields } from "./recorded-objects.ts";

/** What a recorded request needs of its auditor. */
export interface AuditDeps {
  readonly clock: Clock;
  /** Whether the event is as safe as its sinks insist on. */
  emit(event: string): boolean | Promise<boolean>;
}

/**
 * `user` is undefined when nobody proved who they are. An event is made at each stage that the policy does not omit.
 */
export class AuditedRequest {
  private readonly exchange: Exchange;
  private readonly user: UserInfo | undefined;
  private readonly decision: AuditDecision;
  private readonly deps: AuditDeps;
  private readonly receivedAt: string;
  private readonly annotations: Record<string, string> = {};
  private readonly captured: Buffer[] = [];
  private capturedSize = 0;
  private answer: Answer | undefined;
  private crash: string | undefined;
  private completed = false;

  constructor(exchange: Exchange, user: UserInfo | undefined, decision: AuditDecision, deps: AuditDeps) {
    this.exchange = exchange;
    this.user = user;
    this.decision = decision;
    this.deps = deps;
    this.receivedAt = formatMicroTime(deps.clock.now());
  }

  /** Goes into every later event, as the decision of authorization does. What was said first stays. */
  annotate(key: string, value: string): void {
    this.annotations[key] ??= value;
  }

  /** A bug of the server ended the request: its last event is of the stage Panic. */
  crashed(error: unknown): void {
    this.crash = error instanceof Error ? error.message : String(error);
  }

  /** A promise where the request must wait; false when it may not be served. */
  received(): boolean | Promise<boolean> {
    return this.user ? this.emit("RequestReceived", {}) : true;
  }

  /** The answer, through which the response's body is noted where the level wants it. */
  answered(answer: Answer): Answer {
    this.answer = answer;
    // A watch has no whole answer that could be told.
    if (this.decision.level !== "RequestResponse" || !("stream" in answer) || answer.live) return answer;
    const noting = new Transform({
      transform: (chunk: Buffer, _encoding, callback) => {
        this.note(chunk);
        callback(null, chunk);
      },
    });
    const { stream } = answer;
    stream.on("error", (error) => noting.destroy(error));
    noting.once("close", () => "destroy" in stream && (stream as Transform).destroy());
    return { ...answer, stream: stream.pipe(noting) };
  }

  /** A request that lasts has begun to be answered. */
  started(code: number): void {
    void this.emit("ResponseStarted", { responseStatus: { metadata: {}, code } });
  }

  /** Nobody proved who they are: upstream tells this at one stage only. */
  private async refused(code: number): Promise<void> {
    const message = "Authentication failed, attempted: x509, bearer";
    await this.emit("ResponseStarted", { responseStatus: { metadata: {}, message, code } });
  }

  /** Everything has left, or is about to. `code` is what the client sees. Resolves once the event is stored, in modes that wait. */
  async complete(code: number): Promise<void> {
    // The writer of the answer and the close of the connection may both get here.
    if (this.completed) return;
    this.completed = true;
    if (!this.user) return this.refused(code);
    if (this.crash !== undefined)
      return void (await this.emit("Panic", { responseStatus: this.crashStatus(this.crash) }));
    const { level, omitManagedFields } = this.decision;
    const requestObject = await readRequestObject(this.exchange);
    const { status, object } = readAnswer(this.answer, this.captured, this.capturedSize <= MAX_CAPTURED);
    const withRequest = level === "Request" || level === "RequestResponse";
    const withResponse = level === "RequestResponse";
    const clean = (value: unknown) => (omitManagedFields ? withoutManagedFields(value) : value);
    if (this.capturedSize > MAX_CAPTURED) this.annotate("audit.k8s.io/truncated", "true");
    await this.emit("ResponseComplete", {
      objectRef: objectReference(this.exchange.info, requestObject),
      responseStatus: { metadata: {}, ...status, code },
      ...(withRequest && requestObject !== undefined ? { requestObject: clean(requestObject) } : {}),
      ...(withResponse && object !== undefined ? { responseObject: clean(object) } : {}),
    });
  }

  private crashStatus(message: string): object {
    return {
      metadata: {},
      status: "Failure",
      message: `APIServer panic'd: ${message}`,
      reason: "InternalError",
      code: 500,
    };
  }

  private note(chunk: Buffer): void {
    this.capturedSize += chunk.length;
    if (this.capturedSize <= MAX_CAPTURED) this.captured.push(chunk);
    else this.captured.length = 0;
  }

  private emit(stage: AuditStage, more: object): boolean | Promise<boolean> {
    if (this.decision.omitStages.has(stage)) return true;
    const { exchange, user } = this;
    const { raw, info } = exchange;
    const impersonated = exchange.user.name !== "" && user && exchange.user !== user ? exchange.user : undefined;
    const agent = String(raw.headers["user-agent"] ?? "");
    const event = {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: this.decision.level,
      auditID: exchange.auditId,
      stage,
      requestURI: raw.url ?? "/",
      verb: info.verb,
      user: userFields(user),
      ...(impersonated ? { impersonatedUser: userFields(impersonated) } : {}),
      sourceIPs: sourceAddresses(raw),
      userAgent: agent.length > MAX_AGENT ? `${agent.slice(0, MAX_AGENT)}...TRUNCATED` : agent,
      ...(info.isResourceRequest ? { objectRef: objectReference(info, undefined) } : {}),
      requestReceivedTimestamp: this.receivedAt,
      stageTimestamp: formatMicroTime(this.deps.clock.now()),
      ...more,
      ...(Object.keys(this.annotations).length > 0 ? { annotations: this.annotations } : {}),
    };
    return this.deps.emit(JSON.stringify(event));
  }
}

/** Upstream's bound, in characters: the header is the client's, and would fill the log. */
const MAX_AGENT = 1024;
/** Longer answers are told without their body. */
const MAX_CAPTURED = 8 * 1024 * 1024;
