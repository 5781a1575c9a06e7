// The relay against real sockets: what is stripped, what is passed byte for byte, what a refusal looks like.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { type Duplex, PassThrough, pipeline } from "node:stream";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Node, Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import type { RequestContext } from "../http/endpoint.ts";
import { parseRequestInfo } from "../http/parse-request-info.ts";
import { BackendPool } from "./backend.ts";
import { createProxyHandlers } from "./index.ts";
import { preferredAddress } from "./node-location.ts";
import { chooseContainer } from "./pod-container.ts";
import { splitSchemeNamePort } from "./proxy-target.ts";
import { relayRequest, relayUpgrade } from "./relay.ts";
import { rewriteAnswer } from "./resource-proxy.ts";
import { linkRewriter, rewriteHtml } from "./rewrite-links.ts";
import { logQuery, streamQuery } from "./stream-options.ts";

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return (server.address() as AddressInfo).port;
}

/** A front server that relays every upgrade to `backendPort`. */
async function front(t: TestContext, backendPort: number): Promise<number> {
  const pool = new BackendPool({ cert: "", key: "", ca: "" });
  const server = createServer();
  server.on("upgrade", (raw: IncomingMessage, socket: Duplex, head: Buffer) => {
    const context = { raw, signal: new AbortController().signal } as unknown as RequestContext;
    const target = { protocol: "http", host: "127.0.0.1", port: backendPort, path: "/exec/a", trust: "any" } as const;
    relayUpgrade(pool, context, target, { socket, head }, (e) => e as Error, silentLogger()).catch(() =>
      socket.destroy(),
    );
  });
  return listen(t, server);
}

const HEAD =
  "POST /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nAuthorization: Bearer secret\r\n" +
  "Cookie: c=1\r\nImpersonate-User: x\r\nX-Remote-User: y\r\nX-Stream-Protocol-Version: v4\r\nX-Stream-Protocol-Version: v5\r\n" +
  "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.abc, v5.channel.k8s.io\r\n\r\n";

test("relayUpgrade passes bytes both ways and strips credentials", async (t) => {
  let seen: IncomingMessage | undefined;
  const backend = createServer();
  backend.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    seen = request;
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v5\r\n\r\n",
    );
    socket.on("data", (chunk: Buffer) => socket.end(Buffer.concat([Buffer.from("echo:"), chunk])));
  });
  const port = await front(t, await listen(t, backend));
  const client = connect(port, "127.0.0.1");
  client.write(`${HEAD}early`);
  const chunks: Buffer[] = [];
  client.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(client, "end");
  client.end();
  const text = Buffer.concat(chunks).toString();
  assert.match(text, /^HTTP\/1.1 101 Switching Protocols\r\n/);
  assert.match(text, /upgrade: SPDY\/3.1\r\n/i);
  assert.ok(text.endsWith("\r\n\r\necho:early"), text);
  const headers = seen?.headers ?? {};
  assert.deepEqual(
    ["authorization", "cookie", "impersonate-user", "x-remote-user"].filter((name) => name in headers),
    [],
  );
  assert.equal(headers["sec-websocket-protocol"], "v5.channel.k8s.io");
  assert.deepEqual(seen?.headersDistinct["x-stream-protocol-version"], ["v4", "v5"]);
});

test("relayUpgrade relays a refusal whole and then closes", async (t) => {
  const body = "unable to upgrade: no websocket here";
  const backend = createServer();
  backend.on("upgrade", (_request: IncomingMessage, socket: Duplex) => {
    socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  const client = connect(await front(t, await listen(t, backend)), "127.0.0.1");
  client.write(HEAD);
  const chunks: Buffer[] = [];
  client.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(client, "end");
  client.end();
  const text = Buffer.concat(chunks).toString();
  assert.match(text, /^HTTP\/1.1 403 Forbidden\r\n/);
  assert.match(text, /connection: close\r\n/);
  assert.ok(text.endsWith(`\r\n\r\n${body}`), text);
});

function pod(...names: string[]): Pod {
  const metadata = { name: "web", uid: "u", resourceVersion: "1", creationTimestamp: "" };
  return { metadata, spec: { containers: names.map((name) => ({ name })) } };
}

test("relayRequest passes the body of a GET on, so that no other request is taken for it", async (t) => {
  const seen: string[] = [];
  const backend = createServer(async (request, response) => {
    const chunks = await request.toArray();
    seen.push(`${request.method} ${request.url} ${Buffer.concat(chunks)}`);
    response.end("ok");
  });
  const port = await listen(t, backend);
  const pool = new BackendPool({ cert: "", key: "", ca: "" });
  t.after(() => pool[Symbol.dispose]());
  const relay = createServer(async (raw, response) => {
    const context = { raw, signal: new AbortController().signal } as unknown as RequestContext;
    const target = { protocol: "http", host: "127.0.0.1", port, path: raw.url ?? "", trust: "any" } as const;
    const answer = await relayRequest(pool, context, target, (e) => e as Error);
    if ("stream" in answer) answer.stream.pipe(response.writeHead(answer.code));
  });
  const relayPort = await listen(t, relay);
  const hidden = "POST /run HTTP/1.1\r\nHost: a\r\n\r\n";
  const client = connect(relayPort, "127.0.0.1").resume();
  const odd = "Constructor: 1\r\n__proto__: 2\r\n";
  client.write(`GET /a HTTP/1.1\r\nHost: a\r\n${odd}Content-Length: ${hidden.length}\r\n\r\n${hidden}`);
  client.write("GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await once(client, "end");
  assert.deepEqual(seen, [`GET /a ${hidden}`, "GET /b "]);
});

test("a WebSocket to exec, attach or port-forward takes the right to create, though it comes as a GET", async () => {
  const asked: string[] = [];
  const authorizer: Authorizer = {
    name: "test",
    authorize: ({ verb, resource, subresource }) => {
      asked.push(`${verb} ${resource}/${subresource}`);
      return { verdict: "no-opinion", reason: "" };
    },
  };
  const deps = { authorizer, reader: new MemoryReader(), kubeletTls: { cert: "", key: "", ca: "" } };
  const handlers = createProxyHandlers({ ...deps, clock: realClock, log: silentLogger() });
  for (const subresource of ["exec", "attach", "portforward"]) {
    const handler = handlers.find((one) => one.subresource === subresource);
    const info = parseRequestInfo("GET", `/api/v1/namespaces/ns/pods/p/${subresource}`, new URLSearchParams());
    const user = { name: "reader", groups: [], extra: {} };
    const context = { info, user, query: new URLSearchParams() } as unknown as RequestContext;
    const upgraded = handler?.upgrade?.(context, new PassThrough(), Buffer.alloc(0));
    await assert.rejects(upgraded ?? Promise.resolve(), { code: 403 }, subresource);
  }
  assert.deepEqual(asked, ["create pods/exec", "create pods/attach", "create pods/portforward"]);
});

test("chooseContainer defaults to the only container and names the choices otherwise", () => {
  assert.equal(chooseContainer(pod("a"), ""), "a");
  assert.throws(() => chooseContainer(pod("a", "b"), ""), {
    message: "a container name must be specified for pod web, choose one of: [a b]",
  });
  assert.throws(() => chooseContainer(pod("a"), "x"), { message: "container x is not valid for pod web" });
});

test("preferredAddress takes the internal address before the name", () => {
  const addresses = [
    { type: "Hostname", address: "n1" },
    { type: "InternalIP", address: "10.0.0.1" },
  ];
  assert.equal(preferredAddress({ status: { addresses } } as Node), "10.0.0.1");
  assert.throws(() => preferredAddress({} as Node), /no preferred addresses found/);
});

test("splitSchemeNamePort reads all three forms", () => {
  assert.deepEqual(splitSchemeNamePort("web"), { scheme: "", name: "web", port: "" });
  assert.deepEqual(splitSchemeNamePort("web:80"), { scheme: "", name: "web", port: "80" });
  assert.deepEqual(splitSchemeNamePort("https:web:"), { scheme: "https", name: "web", port: "" });
  assert.equal(splitSchemeNamePort("ftp:web:1"), undefined);
});

test("streamQuery and logQuery translate for the kubelet", () => {
  const query = new URLSearchParams("command=sh&command=-c&stdin=true&stdout=1&stderr=false&tty=");
  assert.equal(streamQuery(query, true).toString(), "command=sh&command=-c&input=1&output=1&tty=1");
  assert.equal(logQuery(new URLSearchParams("follow=true&tailLines=5"), "p").toString(), "follow=true&tailLines=5");
  assert.throws(() => logQuery(new URLSearchParams("tailLines=-1"), "p"), /tailLines: Invalid value: -1/);
});

test("linkRewriter leads the backend's own URLs through the proxy and leaves foreign and relative ones", () => {
  const rewrite = linkRewriter({ host: "10.0.0.1", port: 80 }, "/p/proxy", "api:6443");
  assert.equal(rewrite("/a?b=c#d"), "/p/proxy/a?b=c#d");
  assert.equal(rewrite("http://10.0.0.1:80/b"), "/p/proxy/b");
  assert.equal(rewrite("https://api:6443/b/"), "/p/proxy/b/");
  for (const kept of ["https://elsewhere/c", "//elsewhere/c", "c/d", "#top", "mailto:x", "/p/proxy/a"]) {
    assert.equal(rewrite(kept), kept);
  }
});

test("rewriteHtml changes links in tags alone, however the page is cut", async () => {
  const rewrite = linkRewriter({ host: "10.0.0.1", port: 80 }, "/p", undefined);
  const page =
    '<!DOCTYPE html><A title="/x>" HREF=\'/a?b&amp;c\'>/b</a> 1 < 2 <img src=/i alt="/j"><form action="/f" x>é' +
    '<!-- <a href="/c"> --><script src="/s">"<a href=\'/n\'>"</script><a href="r">r</a><a href="/unfinished';
  const wanted = page
    .replace("'/a?b", "'/p/a?b")
    .replace("src=/i", "src=/p/i")
    .replace('"/f"', '"/p/f"')
    .replace('"/s"', '"/p/s"');
  for (const size of [1, 7, 1000]) {
    const stream = rewriteHtml(rewrite);
    const bytes = Buffer.from(page);
    for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
    stream.end();
    assert.equal(Buffer.concat(await stream.toArray()).toString(), wanted, `in pieces of ${size}`);
  }
});

test("rewriteAnswer rewrites pages, packed ones too, and touches nothing else", async () => {
  const rewrite = (url: string) => `/p${url}`;
  const through = async (headers: Record<string, string[]>, body: Buffer) => {
    const steps = rewriteAnswer(headers, rewrite, true);
    const [first] = steps;
    if (!first) return body;
    if (steps.length > 1) pipeline(steps, () => {});
    first.end(body);
    return Buffer.concat(await (steps.at(-1) as Duplex).toArray());
  };
  const page = Buffer.from('<a href="/x">');
  const html = { "content-type": ["text/html; charset=utf-8"], "content-length": ["13"] };
  const plain = { ...html };
  assert.equal((await through(plain, page)).toString(), '<a href="/p/x">');
  assert.equal(plain["content-length"], undefined);
  const packed = await through({ ...html, "content-encoding": ["gzip"] }, gzipSync(page));
  assert.equal(gunzipSync(packed).toString(), '<a href="/p/x">');
  for (const other of [{ "content-type": ["text/plain"] }, { ...html, "content-encoding": ["br"] }]) {
    assert.equal(await through(other, page), page);
  }
  const redirect = { location: ["/l"] };
  rewriteAnswer(redirect, rewrite, false);
  assert.deepEqual(redirect.location, ["/p/l"]);
});
