// Asks the control plane's parts whether they are well, each at the health path of its port on this machine.
import { request } from "node:https";

/** What a part said of itself. */
export interface ProbeResult {
  readonly healthy: boolean;
  readonly message: string;
}

export interface ComponentProbe {
  readonly name: string;
  /** Never rejects. */
  probe(): Promise<ProbeResult>;
}

/** Upstream asks the same addresses, and like it does not look whose certificate answers: no secret is told. */
export function healthzProbe(name: string, port: number): ComponentProbe {
  const url = `https://127.0.0.1:${port}/healthz`;
  return {
    name,
    probe: () =>
      new Promise((resolve) => {
        const options = { agent: false, rejectUnauthorized: false, timeout: TIMEOUT_MS } as const;
        const outgoing = request(url, options, (answer) => {
          let body = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => {
            if (body.length < MAX_MESSAGE) body += chunk;
          });
          answer.on("error", () => resolve({ healthy: false, message: `Get "${url}": unexpected end` }));
          answer.on("end", () => resolve(judge(answer.statusCode ?? 0, body)));
        });
        outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
        outgoing.on("error", (error) => resolve({ healthy: false, message: `Get "${url}": ${reasonOf(error, port)}` }));
        outgoing.end();
      }),
  };
}

/** etcd as this apiserver reaches it. */
export function etcdProbe(ping: () => Promise<void>): ComponentProbe {
  return {
    name: "etcd-0",
    probe: () =>
      ping().then(
        () => ({ healthy: true, message: "ok" }),
        (error: Error) => ({ healthy: false, message: error.message }),
      ),
  };
}

const TIMEOUT_MS = 5_000;
const MAX_MESSAGE = 1024;

function judge(code: number, body: string): ProbeResult {
  if (code >= 200 && code < 400) return { healthy: true, message: body };
  return { healthy: false, message: `HTTP probe failed with statuscode: ${code}` };
}

function reasonOf(error: NodeJS.ErrnoException, port: number): string {
  return error.code === "ECONNREFUSED" ? `dial tcp 127.0.0.1:${port}: connect: connection refused` : error.message;
}
