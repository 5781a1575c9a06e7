// Asks a program whether it is healthy: over HTTP(S), or by whether its socket accepts a connection.
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";

/** Ready to be asked: TLS texts have been read. */
export type HealthProbe =
  | { readonly kind: "http"; readonly url: string; readonly tls?: { ca: string; cert?: string; key?: string } }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Who takes longer counts as not healthy, and is asked again. */
const TIMEOUT_MS = 2000;

/** Undefined when healthy, else what is wrong. Never throws. */
export function probeHealth(probe: HealthProbe): Promise<string | undefined> {
  if (probe.kind === "http") return probeHttp(probe);
  return probeSocket(probe);
}

function probeHttp(probe: HealthProbe & { kind: "http" }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT_MS, agent: false as const, ...probe.tls };
    const ask = probe.url.startsWith("https:") ? httpsRequest : httpRequest;
    const request = ask(probe.url, options, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? undefined : `${probe.url} answered ${response.statusCode}`);
    });
    request.on("timeout", () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    request.on("error", (error) => resolve(`${probe.url}: ${error.message}`));
    request.end();
  });
}

function probeSocket(probe: HealthProbe & { kind: "tcp" | "unix" }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = probe.kind === "tcp" ? connect(probe.port, probe.host) : connect(probe.path);
    const finish = (verdict: string | undefined) => {
      socket.destroy();
      resolve(verdict);
    };
    socket.setTimeout(TIMEOUT_MS, () => finish("no connection in time"));
    socket.once("connect", () => finish(undefined));
    socket.once("error", (error) => finish(error.message));
  });
}
