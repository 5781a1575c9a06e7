// The way of every request: who, how many at once, as whom, may they, then the handler, within a deadline.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { badRequest, internalError, isApiError, methodNotAllowed, timeout, unauthorized } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { parseDuration } from "@skiff/component-base/flags.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { parseTraceparent, withTrace } from "@skiff/component-base/trace.ts";
import type { AuditedRequest } from "../audit/audited-request.ts";
import type { Auditor } from "../audit/auditor.ts";
import type { Authenticator, UserInfo } from "../authn/authenticator.ts";
import type { Authorizer, Decision } from "../authz/authorizer.ts";
import type { BufferLimit } from "../http/buffer-limit.ts";
import type { ByteBudget } from "../http/byte-budget.ts";
import type { Answer } from "../http/endpoint.ts";
import { Exchange, type RawRequest, type RawResponse } from "../http/exchange.ts";
import { type ListenerHandlers, peerCertificate } from "../http/listener.ts";
import type { Router } from "../http/router.ts";
import { answerOfError, isCrash, rawResponse } from "../http/status.ts";
import { writeAnswer } from "../http/write-answer.ts";
import { describeRequest } from "../tracing/describe-request.ts";
import type { RequestSpan, Tracer } from "../tracing/tracer.ts";
import { attributesOf, requireAllowed } from "./authorization.ts";
import { impersonate } from "./impersonation.ts";
import { isLongRunning, type Place, type RequestLimit } from "./in-flight.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import type { SecurityMetrics } from "./security-metrics.ts";

/** What stands in the way of a request, made once for all of them. */
export interface PipelineDeps {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly router: Router;
  readonly limit: RequestLimit;
  readonly metrics: RequestMetrics;
  readonly securityMetrics: SecurityMetrics;
  readonly audit: Auditor | undefined;
  readonly tracer: Tracer | undefined;
  /** What bodies, and connections as a whole, may take of the memory. */
  readonly bodies?: ByteBudget | undefined;
  readonly buffers?: BufferLimit | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly requestTimeoutMs: number;
}

/**
 * The order matters: a request is authenticated before it takes a place, so that fairness knows whose it is, and
 * audited before anything can refuse it.
 */
export class Pipeline {
  private readonly deps: PipelineDeps;
  /** Requests whose last byte has not left yet. */
  private readonly active = new Set<Exchange>();
  private onIdle: (() => void) | undefined;

  constructor(deps: PipelineDeps) {
    this.deps = deps;
  }

  /** For the listener. */
  get handlers(): ListenerHandlers {
    return {
      request: (request, response) => this.request(request, response),
      upgrade: (request, socket, head) => this.upgrade(request, socket, head),
    };
  }

  /** Serves one request to its end; never throws. */
  private request(request: RawRequest, response: RawResponse): void {
    const { traceparent } = request.headers;
    const trace = parseTraceparent(traceparent as string | undefined);
    const { tracer } = this.deps;
    const serve = (span?: RequestSpan) =>
      this.serve(request, response, span).catch((error) => this.giveUp(response, error));
    const work = tracer ? () => tracer.request(traceparent, serve) : serve;
    void (trace ? withTrace(trace, () => work()) : work());
  }

  /** Serves a request that asked to leave HTTP (exec, attach, port-forward). */
  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const work = async (span?: RequestSpan) => {
      const exchange = new Exchange(request);
      const start = this.deps.clock.monotonic();
      exchange.span = span;
      let done = () => {};
      let code = 101;
      this.active.add(exchange);
      socket.once("close", () => {
        this.leave(exchange);
        exchange.abort(CLIENT_GONE);
        done();
        this.record(exchange, code, start, undefined);
        void exchange.audit?.complete(code);
        span?.end(code, () => describeRequest(exchange));
      });
      try {
        await this.admit(exchange);
        const handler = this.deps.router.upgradeHandler(exchange);
        if (!handler) throw methodNotAllowed();
        // The client may have left while roles or the audit log were asked.
        if (socket.closed) return;
        done = this.countLongRunning(exchange);
        await handler(exchange, socket, head);
        exchange.audit?.started(code);
      } catch (error) {
        const answer = this.failed(exchange, error);
        code = answer.code;
        exchange.audit?.answered(answer);
        socket.end(rawResponse(answer));
      }
    };
    const { tracer } = this.deps;
    void (tracer ? tracer.request(request.headers.traceparent, work) : work());
  }

  /** Ends what would otherwise last: watches see the end of their stream, everything else its signal. */
  stop(reason: Error): void {
    for (const exchange of this.active) if (isLongRunning(exchange.info)) exchange.abort(reason);
  }

  /** Resolves when no request is being served. */
  idle(): Promise<void> {
    if (this.active.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onIdle = resolve;
    });
  }

  private async serve(request: RawRequest, response: RawResponse, span?: RequestSpan): Promise<void> {
    const { clock, bodies, buffers } = this.deps;
    const start = clock.monotonic();
    const exchange = new Exchange(request, bodies);
    buffers?.opened(request, response);
    exchange.span = span;
    this.active.add(exchange);
    response.once("close", () => {
      this.leave(exchange);
      buffers?.closed(response);
      exchange.releaseBody();
      if (!response.writableFinished) exchange.abort(CLIENT_GONE);
    });
    let code = 500;
    let bytes = 0;
    try {
      const answer = await this.answer(exchange);
      code = answer.code;
      const { audit } = exchange;
      if (audit && "stream" in answer && isLongRunning(exchange.info)) audit.started(code);
      const noted = audit ? audit.answered(answer) : answer;
      // Where events must be stored, the client hears of nothing that is not; what streams is told of at its end.
      if (audit && this.deps.audit?.isBlocking && !("stream" in noted)) await audit.complete(code);
      bytes = await writeAnswer(exchange, response, noted);
    } finally {
      void exchange.audit?.complete(code);
      span?.end(code, () => describeRequest(exchange));
      this.endSlowBody(request);
      this.record(exchange, code, start, bytes);
    }
  }

  private record(exchange: Exchange, code: number, startMs: number, bytes: number | undefined): void {
    const { clock, metrics, router, log } = this.deps;
    const seconds = (clock.monotonic() - startMs) / 1000;
    metrics.record(exchange, { code, seconds, bytes, served: router.serves(exchange.info) });
    const { verb, path } = exchange.info;
    if (log.isLevelEnabled("debug")) log.debug({ verb, path, code, seconds, user: exchange.user.name }, "request");
  }

  /** Who was answered before his body was there may finish it, as clients read no answer before; but not for ever. */
  private endSlowBody(request: RawRequest): void {
    if (request.complete) return;
    // Thrown away as it comes, or it would be kept for nobody.
    request.resume();
    const timer = this.deps.clock.after(BODY_LINGER_MS, () => request.complete || request.destroy());
    request.once("close", () => timer[Symbol.dispose]());
  }

  /** The last one out ends the wait for a stop. */
  private leave(exchange: Exchange): void {
    this.active.delete(exchange);
    if (this.active.size === 0) this.onIdle?.();
  }

  /** What is thrown anywhere inside becomes a Status here. */
  private async answer(exchange: Exchange): Promise<Answer> {
    try {
      // Deadlines are for requests that end by themselves.
      if (isLongRunning(exchange.info)) return await this.longRunning(exchange);
      const timeoutMs = this.timeoutOf(exchange);
      exchange.timeoutMs = timeoutMs;
      return await this.withinDeadline(exchange, this.bounded(exchange), timeoutMs);
    } catch (error) {
      return this.failed(exchange, error);
    }
  }

  private failed(exchange: Exchange, error: unknown): Answer {
    if (isCrash(error)) exchange.audit?.crashed(error);
    return answerOfError(error, this.deps.log);
  }

  /** Without a deadline: exec, logs and watches last as long as their client likes. */
  private async longRunning(exchange: Exchange): Promise<Answer> {
    const { limit } = this.deps;
    if (exchange.info.verb !== "watch" || !limit.takesWatches) return await this.serveLong(exchange);
    await this.authenticate(exchange);
    // Setting a watch up is work; what it lasts is not.
    const place = await this.enter(exchange);
    try {
      await this.authorize(exchange);
      return await this.dispatchLong(exchange);
    } finally {
      place.leave();
    }
  }

  private async serveLong(exchange: Exchange): Promise<Answer> {
    await this.admit(exchange);
    return await this.dispatchLong(exchange);
  }

  private async dispatchLong(exchange: Exchange): Promise<Answer> {
    const done = this.countLongRunning(exchange);
    try {
      const answer = await this.deps.router.dispatch(exchange);
      if ("stream" in answer) answer.stream.once("close", done);
      else done();
      return answer;
    } catch (error) {
      done();
      throw error;
    }
  }

  /** Only what is served: each name becomes a series for good, and anybody can make names up. */
  private countLongRunning(exchange: Exchange): () => void {
    const { metrics, router, limit } = this.deps;
    const { info } = exchange;
    if (!router.serves(info)) return () => {};
    const uncount = metrics.lasting(exchange);
    if (info.verb !== "watch") return uncount;
    const forget = limit.watchBegan(exchange);
    return () => {
      uncount();
      forget();
    };
  }

  /** In order: who, a place among the running, whether, and the handler. */
  private async bounded(exchange: Exchange): Promise<Answer> {
    await this.authenticate(exchange);
    const entered = this.enter(exchange);
    const place = entered instanceof Promise ? await entered : entered;
    try {
      await this.authorize(exchange);
      return await this.deps.router.dispatch(exchange);
    } finally {
      place.leave();
    }
  }

  /** A place at once or after a wait, which is no fault of whoever serves the request. */
  private enter(exchange: Exchange): Place | Promise<Place> {
    const { limit, clock } = this.deps;
    const refused = (error: unknown): never => {
      if (isApiError(error, "TooManyRequests")) this.terminated(exchange, 429);
      throw error;
    };
    try {
      const entered = limit.enter(exchange);
      if (!(entered instanceof Promise)) return entered;
      const start = clock.monotonic();
      return entered.catch(refused).finally(() => {
        exchange.waitedMs = clock.monotonic() - start;
      });
    } catch (error) {
      return refused(error);
    }
  }

  private terminated(exchange: Exchange, code: number): void {
    this.deps.metrics.terminated(exchange, code, this.deps.router.serves(exchange.info));
  }

  /** Rejects with 504 after the time, and aborts what still works for the request. */
  private withinDeadline(exchange: Exchange, work: Promise<Answer>, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      // The answer cannot wait for handlers that do not heed the signal.
      const timer = this.deps.clock.after(timeoutMs, () => {
        const late = timeout("request did not complete within the allotted timeout");
        this.terminated(exchange, late.code);
        exchange.abort(late);
        reject(late);
      });
      work.then(resolve, reject).finally(() => timer[Symbol.dispose]());
    });
  }

  /** Clients may ask for less time than the server grants. */
  private timeoutOf({ query }: Exchange): number {
    const { requestTimeoutMs } = this.deps;
    const asked = query.get("timeout");
    if (!asked) return requestTimeoutMs;
    try {
      const ms = parseDuration(asked);
      return ms > 0 ? Math.min(ms, requestTimeoutMs) : requestTimeoutMs;
    } catch {
      throw badRequest(`invalid timeout specified in the request URL - time: invalid duration "${asked}"`);
    }
  }

  private async admit(exchange: Exchange): Promise<void> {
    await this.authenticate(exchange);
    await this.authorize(exchange);
  }

  private async authorize(exchange: Exchange): Promise<void> {
    const { audit, info, user, query } = exchange;
    const { clock, securityMetrics, authorizer } = this.deps;
    const start = clock.monotonic();
    let verdict: Decision["verdict"] | "error" = "error";
    const note = (decision: Decision) => {
      verdict = decision.verdict;
      if (audit) noteDecision(audit, decision);
    };
    try {
      await requireAllowed(attributesOf(info, user, query), authorizer, note);
    } finally {
      securityMetrics.authorized(start, verdict);
    }
  }

  private async authenticate(exchange: Exchange): Promise<void> {
    const { authenticator, audit, authorizer, clock, securityMetrics } = this.deps;
    const start = clock.monotonic();
    const { headers, rawHeaders } = exchange.raw;
    const credentials = { headers, rawHeaders, ...peerCertificate(exchange.raw) };
    const user = await authenticator.authenticate(credentials, exchange.signal).catch((error: unknown) => {
      securityMetrics.authenticated(start, "error");
      exchange.audit = audit?.begin(exchange, undefined);
      throw error;
    });
    securityMetrics.authenticated(start, user ? "success" : "failure", user?.name, user?.provenUntilMs);
    if (audit) await this.beginAudit(audit, exchange, user);
    exchange.span?.decide(user);
    if (!user) throw unauthorized();
    // From here on the request is the impersonated user's; the audit log keeps both.
    exchange.user = await impersonate(user, exchange.raw, authorizer);
  }

  private async beginAudit(audit: Auditor, exchange: Exchange, user: UserInfo | undefined): Promise<void> {
    const begun = audit.begin(exchange, user);
    const stored = begun?.received() ?? true;
    // blocking-strict: what cannot be recorded must not happen.
    if (!(typeof stored === "boolean" ? stored : await stored)) {
      audit.refused();
      throw internalError("failed to store audit event");
    }
    for (const [key, value] of Object.entries(user?.proof ?? {})) begun?.annotate(key, value);
    exchange.audit = begun;
  }

  /** The head is out already, so that only a broken connection can tell the client. */
  private giveUp(response: RawResponse, error: unknown): void {
    this.deps.log.debug({ err: error }, "answer broken off");
    response.destroy();
  }
}

function noteDecision(audit: AuditedRequest, { verdict, reason }: Decision): void {
  audit.annotate("authorization.k8s.io/decision", verdict === "allow" ? "allow" : "forbid");
  audit.annotate("authorization.k8s.io/reason", reason);
}

/** Long enough for what is on its way, too short to hold connections with. */
const BODY_LINGER_MS = 5_000;
const CLIENT_GONE = new Error("the client closed the connection");
