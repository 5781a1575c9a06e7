import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { sampleContainer } from "../testing/sample-pods.ts";
import { runProbe } from "./run-probe.ts";

test("an HTTP probe follows redirects on its host, and warns of one that leads elsewhere", async (t) => {
  const server = createServer((request, response) => {
    const to = { "/here": "/ok", "/away": "http://0.0.0.0/" }[request.url ?? ""];
    response.writeHead(to ? 302 : request.url === "/ok" ? 200 : 500, to ? { location: to } : {}).end("body");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const target = { container: sampleContainer("c"), containerId: "c-0", podIp: "127.0.0.1" };
  const cri = { execSync: () => Promise.reject(new Error("no exec here")) };
  const probe = (path: string) =>
    runProbe({ httpGet: { path, port }, timeoutSeconds: 10 }, target, { cri, clock: realClock });
  assert.deepEqual(await probe("/here"), { ok: true, output: "" });
  const output = "Probe terminated redirects, Response body: body";
  assert.deepEqual(await probe("/away"), { ok: true, isWarning: true, output });
  assert.deepEqual(await probe("/broken"), { ok: false, output: "HTTP probe failed with statuscode: 500" });
});
