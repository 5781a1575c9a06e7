// The TLS port: which certificates count, and which connections stay.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { get } from "node:https";
import { connect as connectTcp } from "node:net";
import { type TestContext, test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { closed } from "@skiff/testkit/closed.ts";
import { testAuthority } from "@skiff/testkit/test-authority.ts";
import { type ListenerOptions, listen, peerCertificate } from "./listener.ts";

const authority = await testAuthority("clients");
const stranger = await testAuthority("clients");
const serving = { commonName: "server", addresses: ["127.0.0.1"], usages: ["server"] } as const;

async function start(t: TestContext, clientCa: readonly string[], timeouts: Partial<ListenerOptions> = {}) {
  const seen: ReturnType<typeof peerCertificate>[] = [];
  const identity = await authority.sign(serving);
  const options = { host: "127.0.0.1", port: 0, ...identity, clientCa, ...timeouts };
  const listener = await listen(options, {
    request(request, response) {
      seen.push(peerCertificate(request));
      if (request.url !== "/silent") response.end("ok");
    },
    upgrade: (_request, socket) => socket.destroy(),
  });
  t.after(() => listener.close(Promise.resolve()));
  return { url: `https://127.0.0.1:${listener.port}`, seen };
}

test("peerCertificate takes a verified certificate alone, and without authorities none at all", async (t) => {
  const client = (of: typeof authority) => of.sign({ commonName: "a", usages: ["client"] });
  const cases = [
    { clientCa: [authority.cert], identity: await client(authority), verified: true, bad: false },
    { clientCa: [authority.cert], identity: await client(stranger), verified: false, bad: true },
    // A server's own certificate is not for clients.
    { clientCa: [authority.cert], identity: await authority.sign(serving), verified: false, bad: true },
    { clientCa: [authority.cert], identity: {}, verified: false, bad: false },
    // Not the public authorities either, which Node trusts where none are named.
    { clientCa: [], identity: await client(authority), verified: false, bad: true },
  ];
  for (const { clientCa, identity, verified, bad } of cases) {
    const { url, seen } = await start(t, clientCa);
    const request = get(url, { ca: authority.cert, ...identity, agent: false });
    const [response] = await once(request, "response");
    response.resume();
    assert.deepEqual([seen[0]?.peerCertificate !== undefined, seen[0]?.hasBadCertificate], [verified, bad]);
  }
});

test("a request may have a URL as long as a command", async (t) => {
  const { url } = await start(t, []);
  const [response] = await once(
    get(`${url}/?command=${"a".repeat(130_000)}`, { ca: authority.cert, agent: false }),
    "response",
  );
  response.resume();
  assert.equal(response.statusCode, 200);
});

test("a connection without a handshake is closed", { timeout: 10_000 }, async (t) => {
  const { url } = await start(t, [], { handshakeTimeoutMs: 50 });
  const { port, hostname } = new URL(url);
  for (const words of ["", "GET / HTTP/1.1\r\n\r\n"]) {
    const socket = connectTcp(Number(port), hostname);
    const end = closed(socket);
    socket.write(words);
    await end;
  }
});

test("connections beyond the bound are closed, and a place that is left is free again", async (t) => {
  const { url } = await start(t, [], { maxConnections: 1 });
  const first = connect(url, { ca: authority.cert });
  await once(first, "connect");
  const answered = () =>
    new Promise<boolean>((resolve) => {
      const request = get(url, { ca: authority.cert, agent: false });
      request.on("error", () => resolve(false));
      request.on("response", (response) => resolve(response.resume().statusCode === 200));
    });
  assert.equal(await answered(), false);
  const end = closed(first);
  first.close();
  await end;
  // The server may learn a moment later than we do that the first went.
  while (!(await answered()));
});

test("a stop does not wait for connections that say nothing", { timeout: 10_000 }, async () => {
  const options = { host: "127.0.0.1", port: 0, ...(await authority.sign(serving)), clientCa: [] };
  const listener = await listen(options, { request() {}, upgrade() {} });
  const silent = connectTcp(listener.port, "127.0.0.1");
  const session = connect(`https://127.0.0.1:${listener.port}`, { ca: authority.cert });
  for (const one of [silent, session]) one.on("error", () => {});
  await once(session, "connect");
  await listener.close(Promise.resolve());
});

test("an HTTP/2 connection that carries nothing is closed, one with a silent answer is not", async (t) => {
  const { url } = await start(t, [], { idleTimeoutMs: 50 });
  const session = connect(url, { ca: authority.cert });
  const end = closed(session);
  const open = session.request({ ":path": "/silent" });
  const early = await Promise.race([end.then(() => true), realClock.sleep(200).then(() => false)]);
  assert.equal(early, false);
  open.close();
  await end;
});
