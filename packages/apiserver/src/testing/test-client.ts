// A plain HTTPS client for component tests: whole answers, watches line by line, and nothing that retries or hides.
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { RealApiServer } from "@skiff/testkit/real-api-server.ts";

export interface TestAnswer {
  readonly code: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** The body as JSON; fields are what the test knows them to be. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

export interface TestRequest {
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class TestClient implements Disposable {
  private readonly agent: Agent;
  private readonly url: string;

  constructor(server: RealApiServer, identity = server.pki.admin) {
    this.url = server.url;
    const { cert, key } = identity;
    this.agent = new Agent({ keepAlive: true, maxSockets: 64, ca: server.pki.ca.cert, cert, key });
  }

  /** Objects are sent as JSON; strings and buffers as they are. */
  call(method: string, path: string, options: TestRequest = {}): Promise<TestAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.url}${path}`, { method, agent: this.agent, headers: headersOf(options) });
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ code: response.statusCode ?? 0, headers: response.headers, text, body: parsed(text) });
        });
      });
      outgoing.end(bytesOf(options.body));
    });
  }

  get = (path: string, options?: TestRequest) => this.call("GET", path, options);
  post = (path: string, body: unknown, options?: TestRequest) => this.call("POST", path, { ...options, body });
  put = (path: string, body: unknown, options?: TestRequest) => this.call("PUT", path, { ...options, body });
  delete = (path: string, body?: unknown) => this.call("DELETE", path, body === undefined ? {} : { body });
  merge = (path: string, body: unknown) => this.call("PATCH", path, { body, type: "application/merge-patch+json" });

  /** Collects the events of a watch until it is disposed. */
  watch(path: string, options: TestRequest = {}): TestWatch {
    return new TestWatch(`${this.url}${path}`, this.agent, headersOf(options));
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}

export interface TestEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: see TestAnswer.
  readonly object: any;
}

class TestWatch implements Disposable {
  readonly events: TestEvent[] = [];
  /** 0 until the head of the answer is there. */
  code = 0;
  ended = false;
  private readonly outgoing: ReturnType<typeof request>;

  constructor(url: string, agent: Agent, headers: Record<string, string>) {
    this.outgoing = request(url, { agent, headers });
    this.outgoing.on("error", () => {
      this.ended = true;
    });
    this.outgoing.on("response", (response) => {
      this.code = response.statusCode ?? 0;
      let rest = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.events.push(JSON.parse(line) as TestEvent);
      });
      response.on("close", () => {
        this.ended = true;
      });
    });
    this.outgoing.end();
  }

  /** `ADDED a`, `MODIFIED a` … of all events but bookmarks. */
  get summary(): string[] {
    const objects = this.events.filter((event) => event.type !== "BOOKMARK");
    return objects.map(({ type, object }) => `${type} ${object.metadata?.name ?? object.reason}`);
  }

  [Symbol.dispose](): void {
    this.outgoing.destroy();
  }
}

function headersOf({ body, type, accept, headers }: TestRequest): Record<string, string> {
  const bytes = bytesOf(body);
  return {
    ...(accept ? { accept } : {}),
    // Node says no length for DELETE on its own.
    ...(bytes === undefined ? {} : { "content-length": String(Buffer.byteLength(bytes)) }),
    ...(bytes === undefined ? {} : { "content-type": type ?? "application/json" }),
    ...headers,
  };
}

function bytesOf(body: unknown): Buffer | string | undefined {
  if (body === undefined || typeof body === "string" || Buffer.isBuffer(body)) return body;
  return JSON.stringify(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
