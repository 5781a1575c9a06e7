// Joins a client's upgrade request with the container runtime's streaming server and passes the stream byte for byte.

import type { ClientRequest, IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import { HttpError } from "../http-error.ts";
import { answerHead, rebuildHead } from "./upgrade-head.ts";

/** What Node's `upgrade` event brings. */
export interface UpgradeRequest {
  readonly request: Pick<IncomingMessage, "method" | "rawHeaders">;
  readonly socket: Duplex;
  /** What the client has sent behind its head already. */
  readonly head: Buffer;
}

/** The runtime answers an upgrade at once; it only takes long when it hangs. */
const ANSWER_TIMEOUT_MS = 30_000;
/** When one side has ended, the other may still finish what it was sending for so long. */
const LINGER_MS = 10_000;

/**
 * Resolves once both sides are closed. `url` comes fresh from the runtime and holds its one-time token.
 * Throws HttpError 502 or 504 when the runtime gives no answer; its own refusals are relayed whole.
 */
export async function relayUpgrade(
  client: UpgradeRequest,
  url: URL,
  clock: Pick<Clock, "after">,
  signal: AbortSignal,
): Promise<void> {
  const answer = await askRuntime(client, url, clock, signal);
  const { statusCode = 502, statusMessage = "", rawHeaders } = answer.message;
  client.socket.write(answerHead(statusCode, statusMessage, rawHeaders, !answer.stream));
  if (!answer.stream) {
    await pipeline(answer.message, client.socket, { signal });
    client.socket.destroy();
    return;
  }
  // Node would end our side at once when the client ends its own, and lose what the runtime still sends.
  client.socket.allowHalfOpen = true;
  if (answer.head.length > 0) client.socket.write(answer.head);
  if (client.head.length > 0) answer.stream.write(client.head);
  await join(client.socket, answer.stream, clock, signal);
}

/** `head` is what the runtime has sent behind its own head already. */
interface RuntimeAnswer {
  readonly message: IncomingMessage;
  /** Present when the runtime has switched protocols. */
  readonly stream?: Duplex;
  readonly head: Buffer;
}

function askRuntime(
  { request: { method = "GET", rawHeaders }, socket }: UpgradeRequest,
  url: URL,
  clock: Pick<Clock, "after">,
  signal: AbortSignal,
): Promise<RuntimeAnswer> {
  const asked = openRequest(url, method, rebuildHead(rawHeaders, method, url.host), signal);
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      timer[Symbol.dispose]();
      socket.off("close", giveUp);
      finish();
    };
    const giveUp = () => asked.destroy(new Error("the client has gone"));
    const timer = clock.after(ANSWER_TIMEOUT_MS, () => asked.destroy(new Error("no answer in time")));
    socket.once("close", giveUp);
    asked.once("upgrade", (message, stream, head) => settle(() => resolve({ message, stream, head })));
    asked.once("response", (message) => settle(() => resolve({ message, head: Buffer.alloc(0) })));
    asked.on("error", (error) =>
      settle(() =>
        reject(new HttpError(502, `the container runtime's stream failed: ${error.message}`, { cause: error })),
      ),
    );
    asked.end();
  });
}

function openRequest(url: URL, method: string, headers: string[], signal: AbortSignal): ClientRequest {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || 80);
  return httpRequest({
    method,
    path: `${url.pathname}${url.search}`,
    headers,
    signal,
    // Half-open, since one direction may end long before the other. A connection of one's own also means no agent.
    createConnection: () => connect({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true }),
  });
}

/** Pipes both ways with the back-pressure of each; resolves when both are closed. */
function join(client: Duplex, runtime: Duplex, clock: Pick<Clock, "after">, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer: Disposable | undefined;
    let open = 2;
    const destroyBoth = () => {
      client.destroy();
      runtime.destroy();
    };
    const onClose = () => {
      open -= 1;
      linger();
      if (open > 0) return;
      timer?.[Symbol.dispose]();
      signal.removeEventListener("abort", destroyBoth);
      resolve();
    };
    const linger = () => {
      timer ??= clock.after(LINGER_MS, destroyBoth);
    };
    for (const [from, to] of [
      [client, runtime],
      [runtime, client],
    ] as const) {
      from.once("end", linger).once("close", onClose);
      // A side that broke off cannot be told from one that ended by anybody behind it.
      from.on("error", destroyBoth);
      from.pipe(to);
    }
    signal.addEventListener("abort", destroyBoth, { once: true });
    if (signal.aborted) destroyBoth();
  });
}
