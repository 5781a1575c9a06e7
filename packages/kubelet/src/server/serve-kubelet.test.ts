// The HTTPS API as its clients meet it: certificates, refusals, logs, and streams joined with a runtime's server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { after, before, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import type { Pod } from "@skiff/api/types.ts";
import type { AuthRequest } from "@skiff/client/delegated-auth.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { tlsBounds } from "../configuration/tls-bounds.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import type { KubeletServerDeps } from "./index.ts";
import { serveKubelet } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "skiff-server-"));
const file = (name: string) => readFileSync(join(dir, name), "utf8");
const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });

/** What the runtime's streaming server saw. */
const seen: IncomingMessage[] = [];
const streaming = createServer((request, response) => {
  seen.push(request);
  response.writeHead(403, { "content-type": "text/plain", "x-why": "websocket" });
  response.write("not ");
  response.end("for you");
});
/** Answers SPDY with an echo that speaks first, and refuses all else as containerd 1.6 refuses WebSocket. */
streaming.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
  seen.push(request);
  if (request.headers.upgrade !== "SPDY/3.1") {
    socket.end(
      "HTTP/1.1 403 Forbidden\r\nX-Why: websocket\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n",
    );
    return;
  }
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\nhello");
  socket.write(head);
  socket.pipe(socket);
});

const container = { id: "c1", name: "app", state: "running", restartCount: 0, logPath: join(dir, "0.log") };
const runtimePod = {
  ...{ uid: "u1", namespace: "default", name: "web" },
  ...{ sandboxes: [{ id: "s1", ready: true }], containers: [container] },
} as unknown as RuntimePod;
const pod = {
  metadata: { name: "web", namespace: "default", uid: "u1" },
  spec: {
    containers: [
      { name: "app", image: "demo", tty: true },
      { name: "late", image: "demo" },
    ],
  },
  status: { containerStatuses: [{ name: "late", state: { waiting: { reason: "ContainerCreating" } } }] },
} as unknown as Pod;

const criCalls: object[] = [];
const streamUrl = async (call: object) => {
  criCalls.push(call);
  return `http://127.0.0.1:${(streaming.address() as AddressInfo).port}/token-${criCalls.length}`;
};

const users: (string | undefined)[] = [];
const deps = {
  pods: {
    list: () => [pod],
    find: (_ns: string, name: string, uid?: string) => (name === "web" && (uid ?? "u1") === "u1" ? pod : undefined),
  },
  cri: {
    exec: streamUrl,
    attach: streamUrl,
    portForward: (podSandboxId: string, ports: number[]) => streamUrl({ podSandboxId, ports }),
    execSync: async () => ({ stdout: Buffer.from("out"), stderr: Buffer.from("err"), exitCode: 0 }),
    containerStatus: async () => ({ state: "CONTAINER_EXITED" }),
    listContainerStats: async () => [],
    imageFsInfo: async () => [],
  },
  runtime: { read: async () => ({ pod: runtimePod, fingerprint: "" }), list: async () => new Map() },
  cgroups: { read: async () => undefined, isUnified: false },
  podCgroups: { path: () => "/kubepods/podu1", kubepods: "/kubepods" },
  auth: {
    authorize: async ({ certificate, bearerToken }: AuthRequest) => {
      const username = certificate ? String(certificate.subject.CN) : bearerToken;
      users.push(username);
      if (!username) return { status: 401, reason: "" };
      return { status: username === "nobody" ? 403 : 200, user: { username }, reason: "" };
    },
  },
  configz: () => ({ maxPods: 110 }),
  metrics: new MetricsRegistry(),
  clock: realClock,
  log: silentLogger(),
} as unknown as KubeletServerDeps;

let server: Awaited<ReturnType<typeof serveKubelet>>;

before(async () => {
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca");
  openssl("req", "-x509", ...newKey, "-keyout", "alien.key", "-out", "alien.crt", "-subj", "/CN=admin");
  openssl("req", ...newKey, "-keyout", "jane.key", "-out", "jane.csr", "-subj", "/CN=jane");
  openssl(
    "x509",
    "-req",
    "-in",
    "jane.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-out",
    "jane.crt",
  );
  await new Promise<void>((resolve) => streaming.listen(0, "127.0.0.1", resolve));
  const tls = { cert: file("ca.crt"), key: file("ca.key"), clientCa: file("ca.crt") };
  server = await serveKubelet(
    { address: "127.0.0.1", port: 0, tls, podLogDir: dir, nodeName: "n1", systemLogDir: join(dir, "logs") },
    deps,
  );
});

after(async () => {
  await server?.[Symbol.asyncDispose]();
  streaming.closeAllConnections();
  streaming.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Caller {
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

function call(path: string, { token, ...identity }: Caller = { token: "jane" }, method = "GET") {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const options = {
    host: "127.0.0.1",
    port: server.port,
    path,
    method,
    headers,
    rejectUnauthorized: false,
    agent: false,
  };
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = httpsRequest({ ...options, ...identity }, async (response) => {
      resolve({ status: response.statusCode ?? 0, text: (await response.setEncoding("utf8").toArray()).join("") });
    });
    request.on("error", reject).end();
  });
}

/** Sends bytes over TLS and collects what comes back until the other side ends; `then` runs after the first answer. */
function rawCall(bytes: string, onAnswer: (socket: Duplex) => void = () => {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false }, () =>
      socket.write(bytes),
    );
    const chunks: Buffer[] = [];
    socket.once("data", () => onAnswer(socket));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
    socket.on("end", () => resolve(Buffer.concat(chunks)));
  });
}

function upgrade(path: string, protocol: string, ...headers: string[]): string {
  const lines = [`POST ${path} HTTP/1.1`, "Host: n1", "Authorization: Bearer jane", "Connection: Upgrade"];
  return `${[...lines, `Upgrade: ${protocol}`, "Content-Length: 0", ...headers].join("\r\n")}\r\n\r\n`;
}

test("serveKubelet counts client certificates of its CA alone", async () => {
  assert.equal((await call("/healthz", { cert: file("jane.crt"), key: file("jane.key") })).text, "ok");
  assert.equal(users.at(-1), "jane");
  assert.equal((await call("/healthz", { cert: file("alien.crt"), key: file("alien.key") })).status, 401);
  assert.equal(users.at(-1), undefined);
});

test("serveKubelet refuses with upstream's words, unknown paths too only after authorization", async () => {
  assert.deepEqual(await call("/pods", {}), { status: 401, text: "Unauthorized\n" });
  const forbidden = "Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[pods proxy])\n";
  assert.deepEqual(await call("/pods", { token: "nobody" }), { status: 403, text: forbidden });
  assert.equal((await call("/no/such/path", { token: "nobody" })).status, 403);
  assert.equal((await call("/no/such/path")).status, 404);
  assert.equal((await call("/exec/default/web/app?command=ls&output=1", undefined, "POST")).status, 400);
});

test("serveKubelet answers pods, configz, run and stats", async () => {
  const { kind, items } = JSON.parse((await call("/pods")).text);
  assert.deepEqual([kind, items[0].metadata.name], ["PodList", "web"]);
  assert.deepEqual(JSON.parse((await call("/configz")).text), { kubeletconfig: { maxPods: 110 } });
  assert.equal((await call("/run/default/web/app?cmd=ls", undefined, "POST")).text, "outerr");
  const long = `/run/default/web/app?cmd=echo+${"a".repeat(130_000)}`;
  assert.equal((await call(long, undefined, "POST")).text, "outerr", "a long command was refused");
  const summary = JSON.parse((await call("/stats/summary")).text);
  assert.equal(summary.node.nodeName, "n1");
  assert.ok(summary.node.memory.workingSetBytes > 0 && summary.node.fs.capacityBytes > 0);
  assert.match((await call("/metrics/resource")).text, /^node_memory_working_set_bytes \d+ \d+$/m);
  assert.match((await call("/metrics")).text, /kubelet_http_requests_total\{method="GET",path="pods"/);
});

test("serveKubelet gives logs, or says why there are none", async () => {
  await writeFile(container.logPath, "2026-01-02T03:04:05Z stdout F one\n2026-01-02T03:04:06Z stdout F two\n");
  assert.deepEqual(await call("/containerLogs/default/web/app?tailLines=1"), { status: 200, text: "two\n" });
  assert.deepEqual(await call("/containerLogs/default/web/late"), {
    status: 400,
    text: 'container "late" in pod "web" is waiting to start: ContainerCreating\n',
  });
  const missing = await call("/containerLogs/default/gone/app");
  assert.deepEqual(missing, { status: 404, text: 'pod "gone" does not exist\n' });
});

test("serveKubelet passes an upgraded stream byte for byte and ends with it", { timeout: 20_000 }, async () => {
  const payload = randomBytes(3 * 1024 * 1024);
  const answer = await rawCall(
    upgrade("/exec/default/web/app?command=sh&input=1&output=1", "SPDY/3.1", "Cookie: s3cret"),
    (socket) => socket.end(payload),
  );
  const body = answer.subarray(answer.indexOf("\r\n\r\n") + 4);
  assert.match(answer.toString("latin1", 0, 40), /^HTTP\/1.1 101 Switching Protocols\r\n/);
  assert.ok(body.equals(Buffer.concat([Buffer.from("hello"), payload])));
  const streams = { stdin: true, stdout: true, stderr: false, tty: false };
  assert.deepEqual(criCalls.at(-1), { containerId: "c1", cmd: ["sh"], ...streams });
  const { method, url, headers } = seen.at(-1) ?? assert.fail("nothing came to the runtime");
  assert.deepEqual([method, url?.startsWith("/token-")], ["POST", true]);
  assert.deepEqual([headers.authorization, headers.cookie], [undefined, undefined]);
});

test("serveKubelet relays a refusal whole and then closes", { timeout: 20_000 }, async () => {
  const answer = (await rawCall(upgrade("/portForward/default/web/u1?port=80", "websocket"))).toString();
  assert.match(answer, /^HTTP\/1.1 403 Forbidden\r\n/);
  assert.match(answer, /\r\nX-Why: websocket\r\n/);
  assert.match(answer, /\r\n\r\nnope$/);
  assert.deepEqual(criCalls.at(-1), { podSandboxId: "s1", ports: [80] });
});

test("serveKubelet attaches with the terminal and input that the container was given", {
  timeout: 20_000,
}, async () => {
  await rawCall(upgrade("/attach/default/web/app?input=1&output=1&error=1", "SPDY/3.1"), (socket) => socket.end());
  const streams = { stdin: false, stdout: true, stderr: false, tty: true };
  assert.deepEqual(criCalls.at(-1), { containerId: "c1", ...streams });
});

test("serveKubelet refuses streams that lead nowhere", { timeout: 20_000 }, async () => {
  const status = async (path: string) => (await rawCall(upgrade(path, "SPDY/3.1"))).toString().split("\r\n")[0];
  assert.equal(await status("/exec/default/gone/app?output=1"), "HTTP/1.1 404 Not Found");
  assert.equal(await status("/exec/default/web/late?output=1"), "HTTP/1.1 500 Internal Server Error");
  assert.equal(await status("/exec/default/web/app"), "HTTP/1.1 400 Bad Request");
  const anonymous = upgrade("/exec/default/web/app?output=1", "SPDY/3.1").replace(/Authorization.*\r\n/, "");
  assert.match((await rawCall(anonymous)).toString(), /^HTTP\/1.1 401 Unauthorized/);
});

test("a kubelet without debugging handlers says so in upstream's words, and still shows pods and metrics", async () => {
  const before = server;
  const tls = { cert: file("ca.crt"), key: file("ca.key") };
  const options = { address: "127.0.0.1", port: 0, tls, podLogDir: dir, nodeName: "n1", hasDebuggingHandlers: false };
  await using closed = await serveKubelet(options, { ...deps, metrics: new MetricsRegistry() });
  server = closed;
  try {
    const refused = { status: 405, text: "Debug endpoints are disabled.\n" };
    for (const path of ["/containerLogs/default/web/app", "/runningpods/", "/exec/default/web/app", "/logs/syslog"]) {
      assert.deepEqual(await call(path), refused, path);
    }
    const answer = await rawCall(upgrade("/exec/default/web/app?command=x", "SPDY/3.1"));
    assert.match(answer.toString(), /^HTTP\/1.1 405 /);
    assert.equal((await call("/pods")).status, 200);
    assert.equal((await call("/pods", {})).status, 401);
  } finally {
    server = before;
  }
});

test("a kubelet speaks no older TLS and no other suites than it is told to", async () => {
  const bounds = tlsBounds({ tlsMinVersion: "VersionTLS13", tlsCipherSuites: [] });
  const suite = tlsBounds({ tlsMinVersion: "", tlsCipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"] });
  const shake = async (offered: ReturnType<typeof tlsBounds>, ciphers?: string) => {
    const tls = { cert: file("ca.crt"), key: file("ca.key"), ...offered };
    const options = { address: "127.0.0.1", port: 0, tls, podLogDir: dir, nodeName: "n1" };
    await using served = await serveKubelet(options, { ...deps, metrics: new MetricsRegistry() });
    return await new Promise<string>((resolve) => {
      const client = {
        host: "127.0.0.1",
        port: served.port,
        rejectUnauthorized: false,
        maxVersion: "TLSv1.2" as const,
      };
      const socket = tlsConnect({ ...client, ...(ciphers ? { ciphers } : {}) }, () => {
        resolve(socket.getCipher().name);
        socket.destroy();
      });
      socket.on("error", () => resolve("refused"));
    });
  };
  assert.equal(await shake(bounds), "refused");
  assert.equal(await shake(suite), "ECDHE-ECDSA-AES256-GCM-SHA384");
  assert.equal(await shake(suite, "ECDHE-ECDSA-AES128-GCM-SHA256"), "refused");
});

test("/logs/ shows the machine's logs, follows no link out of them, and refuses where it is off", async () => {
  const logs = join(dir, "logs");
  mkdirSync(join(logs, "pods"), { recursive: true });
  writeFileSync(join(logs, "sys<log>"), "a line\n");
  symlinkSync("sys<log>", join(logs, "link"));
  symlinkSync(join(dir, "ca.key"), join(logs, "out"));
  const { status, text } = await call("/logs/");
  assert.equal(status, 200);
  assert.match(text, /<a href="pods\/">pods\/<\/a>\n<a href="sys%3Clog%3E">sys&lt;log&gt;<\/a>\n<\/pre>/);
  assert.deepEqual(await call("/logs/sys%3Clog%3E"), { status: 200, text: "a line\n" });
  assert.deepEqual(await call("/logs/link"), { status: 200, text: "a line\n" });
  assert.equal((await call("/logs/pods")).status, 301);
  for (const path of ["/logs/out", "/logs/none", "/logs/..%2Fca.key", "/logs/%2e%2e/ca.key"]) {
    assert.equal((await call(path)).status, 404, path);
  }
  const before = server;
  const tls = { cert: file("ca.crt"), key: file("ca.key") };
  const options = { address: "127.0.0.1", port: 0, tls, podLogDir: dir, nodeName: "n1" };
  await using off = await serveKubelet(options, { ...deps, metrics: new MetricsRegistry() });
  server = off;
  try {
    assert.deepEqual(await call("/logs/x"), { status: 405, text: "logs endpoint is disabled.\n" });
  } finally {
    server = before;
  }
});
