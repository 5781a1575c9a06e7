// The client's side of HTTP/2 against Node's server, and against peers that break the rules.
import assert from "node:assert/strict";
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { testAuthority } from "@skiff/testkit/test-authority.ts";
import { listening } from "../testing/listening.ts";
import { ClientConnection } from "./client-connection.ts";
import type { ClientStream } from "./client-stream.ts";
import { frame, numberFrame } from "./frames.ts";
import { encodeHeaders, type HeaderField } from "./hpack.ts";
import type { Peer } from "./open-socket.ts";

interface Answer {
  readonly fields: readonly HeaderField[];
  readonly body: Buffer;
}

/** A request and what becomes of it. */
function request(connection: ClientConnection, body: Buffer | undefined, path = "/"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fields: HeaderField[] = [];
    const pieces: Buffer[] = [];
    const stream = connection.open(headers(path), {
      onHeaders: (more) => void fields.push(...more),
      onData: (piece) => void pieces.push(Buffer.from(piece)),
      onEnd: (error) => (error ? reject(error) : resolve({ fields, body: Buffer.concat(pieces) })),
    });
    if (body) stream.send(body, true);
  });
}

/** One that is only ended by others. */
function hanging(connection: ClientConnection): { stream: ClientStream; ended: Promise<Error | undefined> } {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const stream = connection.open(headers("/hang"), { onHeaders() {}, onData() {}, onEnd: resolve });
  return { stream, ended: promise };
}

const headers = (path: string) =>
  encodeHeaders({ ":method": "POST", ":scheme": "http", ":authority": "test", ":path": path });
const EMPTY = Buffer.alloc(0);

function connect(peer: Peer): { connection: ClientConnection; retired: Promise<void> } & Disposable {
  const { promise, resolve } = Promise.withResolvers<void>();
  const connection = new ClientConnection(peer, { onConnect() {}, onRetired: resolve });
  return { connection, retired: promise, [Symbol.dispose]: () => connection.destroy(new Error("the test is over")) };
}

async function serve(
  onStream: (stream: ServerHttp2Stream, path: string) => void,
  options: ServerOptions = {},
): Promise<{ server: Http2Server; url: string } & AsyncDisposable> {
  const server = createServer(options);
  server.on("stream", (stream: ServerHttp2Stream, { ":path": path }) => {
    stream.on("error", () => {});
    onStream(stream, String(path));
  });
  return { server, ...(await listening(server)) };
}

/** Gives back what it gets. */
function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200 });
  stream.on("data", (chunk: Buffer) => {
    if (!stream.write(chunk)) stream.pause();
  });
  stream.on("drain", () => stream.resume());
  stream.on("end", () => stream.end());
}

test("bodies beyond every window arrive whole in both directions, side by side", async () => {
  await using peer = await serve(echo, { settings: { initialWindowSize: 20_000 } });
  using client = connect({ url: peer.url });
  const bodies = [9_000_000, 1, 0, 16_384, 16_385, 400_000].map((size, k) => Buffer.alloc(size, k + 1));
  const answers = await Promise.all(bodies.map((body) => request(client.connection, body)));
  for (const [k, answer] of answers.entries()) assert.ok(answer.body.equals(bodies[k] as Buffer), `body ${k}`);
  assert.equal(client.connection.openStreams, 0);
});

test("a thousand small requests share the connection, however few the peer takes at once", async () => {
  await using peer = await serve(echo, { settings: { maxConcurrentStreams: 3 } });
  using client = connect({ url: peer.url });
  const bodies = Array.from({ length: 1000 }, (_, k) => Buffer.from(`body ${k}`));
  const answers = await Promise.all(bodies.map((body) => request(client.connection, body)));
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    bodies.map(String),
  );
});

test("header fields arrive as they were sent: every character, repeated, evicted, and over several frames", async () => {
  const characters = (from: number, count: number) =>
    String.fromCharCode(...Array.from({ length: count }, (_, k) => from + k));
  const printable = characters(0x21, 94);
  const sent = Array.from({ length: 93 }, (_, k) => ({
    [`x-field-${k % 7}`]: `${printable.slice(k)} ${"0".repeat(60)}${characters(0xa1 + k, 3)}`,
    "x-same": "again and again",
    ...(k % 20 === 0 ? { "x-long": printable.repeat(300) } : {}),
  }));
  await using peer = await serve(
    (stream, path) => {
      stream.respond({ ":status": 200, ...sent[Number(path.slice(1))] }, { endStream: true });
    },
    { maxSendHeaderBlockLength: 200_000 },
  );
  using client = connect({ url: peer.url });
  const answers = await Promise.all(sent.map((_, k) => request(client.connection, EMPTY, `/${k}`)));
  for (const [k, { fields }] of answers.entries()) {
    const wanted = Object.entries(sent[k] ?? {}).map(([name, value]) => [name, value]);
    const got = fields.filter(([name]) => name.startsWith("x-"));
    assert.deepEqual(got.toSorted(), wanted.toSorted(), `answer ${k}`);
  }
});

test("padding is left out, and fields behind the body come last", async () => {
  await using peer = await serve(
    (stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.alloc(50_000, 7));
      stream.resume();
    },
    { paddingStrategy: constants.PADDING_STRATEGY_MAX },
  );
  using client = connect({ url: peer.url });
  const { fields, body } = await request(client.connection, Buffer.from("x"));
  assert.ok(body.equals(Buffer.alloc(50_000, 7)));
  assert.deepEqual(fields.at(-1), ["grpc-status", "0"]);
});

test("a request that is reset fails alone", async () => {
  await using peer = await serve((stream, path) => {
    if (path === "/bad") stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else echo(stream);
  });
  using client = connect({ url: peer.url });
  const [bad, good] = await Promise.allSettled([
    request(client.connection, EMPTY, "/bad"),
    request(client.connection, Buffer.from("fine")),
  ]);
  assert.match(String(bad.status === "rejected" && bad.reason), /reset the stream \(code 7\)/);
  assert.equal(good.status === "fulfilled" && good.value.body.toString(), "fine");
});

test("a cancelled request is told to the peer and delivers nothing more", async () => {
  const { promise: aborted, resolve } = Promise.withResolvers<number>();
  await using peer = await serve((stream, path) => {
    if (path !== "/hang") return echo(stream);
    stream.respond({ ":status": 200 });
    stream.once("close", () => resolve(stream.rstCode));
  });
  using client = connect({ url: peer.url });
  const { stream, ended } = hanging(client.connection);
  await request(client.connection, EMPTY);
  stream.cancel();
  assert.equal(await aborted, constants.NGHTTP2_CANCEL);
  await request(client.connection, EMPTY);
  assert.equal(await Promise.race([ended, "nothing"]), "nothing");
});

test("a peer that ends the answer first is not sent the rest of the body", async () => {
  await using peer = await serve(
    (stream) => {
      stream.respond({ ":status": 200 });
      stream.end("enough");
    },
    { settings: { initialWindowSize: 100 } },
  );
  using client = connect({ url: peer.url });
  const { body } = await request(client.connection, Buffer.alloc(1000));
  assert.equal(body.toString(), "enough");
  assert.equal(client.connection.openStreams, 0);
});

test("after a GOAWAY what is under way ends, and nothing new begins", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<ServerHttp2Stream>();
  await using peer = await serve((stream) => resolve(stream));
  using client = connect({ url: peer.url });
  const answer = request(client.connection, Buffer.from("x"));
  const stream = await asked;
  // An orderly end of Node's server: GOAWAY behind the last stream that it took.
  stream.session?.close();
  await client.retired;
  assert.throws(() => client.connection.open(headers("/"), { onHeaders() {}, onData() {}, onEnd() {} }));
  echo(stream);
  assert.equal((await answer).body.toString(), "x");
});

test("a connection whose stream numbers are used up finishes what it has, and takes no more", async () => {
  await using peer = await serve(echo);
  const { promise: retired, resolve } = Promise.withResolvers<void>();
  const connection = new ClientConnection({ url: peer.url }, { onConnect() {}, onRetired: resolve }, 5);
  const answers = ["a", "b", "c"].map((text) => request(connection, Buffer.from(text)));
  await retired;
  assert.throws(() => hanging(connection), /no further requests/);
  assert.deepEqual(
    (await Promise.all(answers)).map(({ body }) => body.toString()),
    ["a", "b", "c"],
  );
});

test("requests behind the last stream of a GOAWAY fail at once", async () => {
  await using peer = await raw((socket) => {
    socket.write(Buffer.concat([NO_SETTINGS, numbers(7, 0, [1, 11])]));
  });
  using client = connect({ url: peer.url });
  const [first, second] = [hanging(client.connection), hanging(client.connection)];
  assert.match(String(await second.ended), /goes away \(code 11\)/);
  assert.equal(await Promise.race([first.ended, "open"]), "open");
});

test("a cut connection fails every request, also those that wait for their turn", async () => {
  await using peer = await serve(
    (stream) => {
      if (stream.id === 3) stream.session?.destroy();
    },
    { settings: { maxConcurrentStreams: 2 } },
  );
  using client = connect({ url: peer.url });
  // The second one is what cuts it, and the peer's limit is known from the first answer on.
  const ended = Array.from({ length: 5 }, () => hanging(client.connection).ended);
  for (const error of await Promise.all(ended)) assert.ok(error instanceof Error);
  await client.retired;
});

test("a connection that cannot be made fails its requests", async () => {
  const peer = await serve(echo);
  await peer[Symbol.asyncDispose]();
  using client = connect({ url: peer.url });
  assert.match(String(await hanging(client.connection).ended), /ECONNREFUSED/);
});

test("a ping is answered both ways", async () => {
  await using peer = await serve(echo);
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  peer.server.on("session", (session) => session.once("localSettings", () => session.ping(() => resolve())));
  using client = connect({ url: peer.url });
  await new Promise<void>((pong) => client.connection.ping(pong));
  await answered;
});

test("TLS: a peer of another authority, of another name or without HTTP/2 is told nothing", async () => {
  const [authority, stranger] = [await testAuthority("etcd-ca"), await testAuthority("stranger")];
  const good = await authority.sign({ commonName: "etcd", addresses: ["127.0.0.1"], usages: ["server"] });
  const named = await authority.sign({ commonName: "etcd", dnsNames: ["elsewhere"], usages: ["server"] });
  const me = await authority.sign({ commonName: "me", usages: ["client"] });
  const tls = { ca: authority.cert, cert: me.cert, key: me.key };
  const http2 = (pair: { cert: string; key: string }) => createSecureServer(pair).on("stream", echo);
  const first = async (server: Server, trusted: Peer["tls"]) => {
    await using peer = await listening(server);
    using client = connect({ url: peer.url.replace("http:", "https:"), tls: trusted });
    return await request(client.connection, Buffer.from("x")).then(String, (error: Error) => error.message);
  };
  assert.equal(await first(http2(good), tls), "[object Object]");
  assert.match(await first(http2(good), { ...tls, ca: stranger.cert }), /certificate/);
  assert.match(await first(http2(named), tls), /does not match certificate|altnames/);
  assert.match(await first(createTlsServer(good), tls), /does not speak HTTP\/2/);
});

/** With it every server begins. */
const NO_SETTINGS = frame(4, 0, 0, EMPTY);

/** Speaks first, without listening. */
async function raw(onConnection: (socket: Socket) => void): Promise<{ url: string } & AsyncDisposable> {
  const server = createTcpServer((socket) => {
    socket.resume();
    onConnection(socket);
  });
  return await listening(server);
}

function numbers(type: number, stream: number, values: readonly number[]): Buffer {
  const payload = Buffer.alloc(values.length * 4);
  for (const [place, value] of values.entries()) payload.writeUInt32BE(value, place * 4);
  return frame(type, 0, stream, payload);
}

test("peers that break the rules lose their connection", async () => {
  const header = Buffer.from([0x88]);
  const broken: Record<string, Buffer[]> = {
    "a frame that is too long": [Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 1])],
    "data of a stream that nobody opened": [frame(0, 0, 5, header)],
    "an even stream": [frame(1, 4, 2 ** 30, header)],
    "a field that does not exist": [frame(1, 4, 1, Buffer.from([0xff, 0x7f]))],
    "a block cut by another frame": [frame(1, 0, 1, header), frame(6, 0, 0, Buffer.alloc(8))],
    "a block cut by data": [frame(1, 0, 1, header), frame(0, 0, 1, header)],
    "a rest of nothing": [frame(9, 4, 1, header)],
    "more padding than frame": [frame(0, 8, 1, Buffer.from([5, 1]))],
    "a push": [frame(5, 4, 1, Buffer.alloc(5))],
    "a window update that is too short": [frame(8, 0, 0, Buffer.from([1]))],
    "plain HTTP": [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
  };
  for (const [what, frames] of Object.entries(broken)) {
    await using peer = await raw((socket) => socket.write(Buffer.concat([NO_SETTINGS, ...frames])));
    using client = connect({ url: peer.url });
    assert.ok((await hanging(client.connection).ended) instanceof Error, what);
  }
});

test("frames may come byte by byte, and those that are not known pass", async () => {
  const body = Buffer.from("hello");
  const answer = Buffer.concat([
    NO_SETTINGS,
    frame(99, 255, 1, Buffer.alloc(20)),
    // With padding and a priority, cut in two.
    frame(1, 0x28, 1, Buffer.from([2, 0, 0, 0, 0, 9, 0x88, 0, 0])),
    frame(9, 4, 1, Buffer.from([0x00, 1, 0x61, 1, 0x62])),
    frame(0, 0, 1, body),
    numberFrame(8, 1, 5),
    frame(0, 1, 1, EMPTY),
  ]);
  await using peer = await raw(async (socket) => {
    socket.setNoDelay(true);
    for (const byte of answer) await new Promise<void>((sent) => socket.write(Buffer.from([byte]), () => sent()));
  });
  using client = connect({ url: peer.url });
  const { fields, body: got } = await request(client.connection, EMPTY);
  assert.deepEqual(
    [fields, got.toString()],
    [
      [
        [":status", "200"],
        ["a", "b"],
      ],
      "hello",
    ],
  );
});
