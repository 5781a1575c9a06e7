// The load generator's client: whole answers and watches, over HTTP/1.1 with kept connections or over HTTP/2.
import { type ClientHttp2Session, connect } from "node:http2";
import { Agent, request } from "node:https";

export interface Reply {
  readonly code: number;
  readonly body: Buffer;
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
  readonly accept?: string;
}

export interface ApiClient extends Disposable {
  call(call: Call): Promise<Reply>;
  /** Hands out lines as they come. */
  watch(path: string, onLine: (line: Buffer) => void): Disposable;
}

export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Every watch has a connection of its own, as browsers and most libraries do it. */
export function http1Client(url: string, identity: Identity): ApiClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 256, ...identity });
  return {
    call: ({ method, path, ...rest }) =>
      new Promise((resolve, reject) => {
        const outgoing = request(`${url}${path}`, { method, agent, headers: headersOf(rest) }, (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.on("end", () => resolve({ code: answer.statusCode ?? 0, body: Buffer.concat(parts) }));
        });
        outgoing.on("error", reject);
        outgoing.end(rest.body);
      }),
    watch(path, onLine) {
      const outgoing = request(`${url}${path}`, { agent: false, ...identity }, (answer) => {
        answer.on("data", lineSplitter(onLine));
      });
      outgoing.on("error", () => {});
      outgoing.end();
      return { [Symbol.dispose]: () => void outgoing.destroy() };
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** As Go clients do it: one connection for all calls, and further ones once 200 watches share it. */
export function http2Client(url: string, identity: Identity): ApiClient {
  const sessions: { session: ClientHttp2Session; watches: number }[] = [];
  const open = () => {
    const session = connect(url, { ...identity, settings: { initialWindowSize: 4 << 20 } });
    session.on("error", () => {});
    session.once("connect", () => session.setLocalWindowSize(8 << 20));
    const slot = { session, watches: 0 };
    sessions.push(slot);
    return slot;
  };
  const main = open();
  return {
    call: ({ method, path, ...rest }) =>
      new Promise((resolve, reject) => {
        const stream = main.session.request({ ":method": method, ":path": path, ...headersOf(rest) });
        const parts: Buffer[] = [];
        let code = 0;
        stream.on("response", (headers) => {
          code = Number(headers[":status"]);
        });
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("error", reject);
        stream.on("end", () => resolve({ code, body: Buffer.concat(parts) }));
        stream.end(rest.body);
      }),
    watch(path, onLine) {
      const slot = sessions.find((known) => known.watches < WATCHES_PER_SESSION) ?? open();
      slot.watches += 1;
      const stream = slot.session.request({ ":path": path });
      stream.on("data", lineSplitter(onLine));
      stream.on("error", () => {});
      return { [Symbol.dispose]: () => stream.close() };
    },
    [Symbol.dispose]: () => {
      for (const { session } of sessions) session.destroy();
    },
  };
}

const WATCHES_PER_SESSION = 200;

function headersOf({ body, type, accept }: Omit<Call, "method" | "path">): Record<string, string> {
  return {
    accept: accept ?? "application/json",
    ...(body === undefined
      ? {}
      : { "content-type": type ?? "application/json", "content-length": String(Buffer.byteLength(body)) }),
  };
}

function lineSplitter(onLine: (line: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer[] = [];
  return (chunk) => {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const part = chunk.subarray(from, end);
      onLine(rest.length > 0 ? Buffer.concat([...rest, part]) : part);
      rest = [];
      from = end + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  };
}
