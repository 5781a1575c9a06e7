// A server that probes and hooks can be aimed at: HTTP, HTTPS with a certificate that nobody knows, and gRPC health.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { fileURLToPath } from "node:url";
import type { sendUnaryData } from "@grpc/grpc-js";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { ChildProgram } from "./child-program.ts";
import { testAuthority } from "./test-authority.ts";

/** In the network namespace that it is started in. */
export const PROBED_PORTS = { http: 18_080, https: 18_443, grpc: 18_050 };

/** Runs in a process of its own, whose log has a line `ready` and then one for each request. */
export function startProbedServer(namespace: string): ChildProgram {
  const own = JSON.stringify(fileURLToPath(import.meta.url));
  const script = `const { default: serveProbes } = await import(${own}); await serveProbes();`;
  const node = [process.execPath, "--input-type=module", "-e", script];
  return new ChildProgram("nsenter", [`--net=/run/netns/${namespace}`, ...node]);
}

/** Serves until its process is killed. */
export default async function serveProbes(): Promise<void> {
  const authority = await testAuthority("nobody knows it");
  const certificate = await authority.sign({ commonName: "probed", usages: ["server"] });
  createServer(answer).listen(PROBED_PORTS.http);
  createTlsServer(certificate, answer).listen(PROBED_PORTS.https);
  await serveHealth(PROBED_PORTS.grpc);
  tell("ready");
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** By path: /away leads to another host, /status/NNN is answered so, /endless never stops, everything else is fine. */
function answer({ url = "", headers, socket }: IncomingMessage, response: ServerResponse): void {
  const scheme = "encrypted" in socket ? "https" : "http";
  tell([scheme, url, headers.host, headers["user-agent"], headers["x-own"] ?? ""].join(" "));
  const [, code] = /^\/status\/(\d+)/.exec(url) ?? [];
  if (url === "/away") response.writeHead(302, { location: "http://192.0.2.1/" }).end("over there");
  else if (url === "/endless") pour(response.writeHead(200));
  else response.writeHead(Number(code ?? 200)).end();
}

function pour(response: ServerResponse): void {
  const block = Buffer.alloc(65_536, "x");
  const more = () => {
    while (response.write(block));
  };
  response.on("drain", more).on("error", () => {});
  more();
}

/** grpc.health.v1 knows the service `good` that serves and the service `bad` that does not. */
async function serveHealth(port: number): Promise<void> {
  const server = new Server();
  // Each message has one field, so no contract is needed: service = 1, and status = 1.
  const check = {
    path: "/grpc.health.v1.Health/Check",
    requestStream: false,
    responseStream: false,
    requestSerialize: (name: string) => Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]),
    requestDeserialize: (bytes: Buffer) => bytes.subarray(2).toString(),
    responseSerialize: (code: number) => Buffer.from([0x08, code]),
    responseDeserialize: (bytes: Buffer) => bytes.at(1) ?? 0,
  };
  const health = ({ request }: { request: string }, reply: sendUnaryData<number>) => {
    tell(`grpc ${request}`);
    const code = { good: 1, bad: 2 }[request];
    if (code) reply(null, code);
    else reply({ code: status.NOT_FOUND, details: "unknown service" });
  };
  server.addService({ check }, { check: health });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
}
