// Calls over a connection to Node's server, which says what etcd and things in front of it might say.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, UNIMPLEMENTED } from "./grpc-error.ts";
import { readMessages } from "./read-messages.ts";
import { listening } from "./testing/listening.ts";

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

interface Peer extends AsyncDisposable {
  readonly url: string;
  readonly sessions: readonly ServerHttp2Session[];
}

async function peerOf(serve: Serve): Promise<Peer> {
  const sessions: ServerHttp2Session[] = [];
  const server = createServer();
  server.on("session", (session: ServerHttp2Session) => sessions.push(session));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    serve(stream, headers);
  });
  return { ...(await listening(server)), sessions };
}

/** The framed messages, and then the trailers. */
function answer(stream: ServerHttp2Stream, messages: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(Buffer.concat(messages.map(framed)));
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The message of a request. */
async function received(stream: ServerHttp2Stream): Promise<Buffer> {
  const body = Buffer.concat(await stream.toArray());
  assert.equal(body.readUInt32BE(1), body.length - 5);
  return body.subarray(5);
}

const OK = { "grpc-status": "0" };
const PATH = "/etcdserverpb.KV/Range";
const NOTHING = Buffer.alloc(0);
const channelTo = (...servers: string[]) => new GrpcChannel({ servers, name: "etcd" }, { clock: realClock });

test("a unary call carries path, deadline and message there and the answer back", async () => {
  let seen: IncomingHttpHeaders = {};
  await using peer = await peerOf(async (stream, headers) => {
    seen = headers;
    answer(stream, [await received(stream)], OK);
  });
  using channel = channelTo(peer.url);
  for (const message of [NOTHING, Buffer.from("hello"), Buffer.alloc(3_000_000, 5)]) {
    assert.ok((await channel.unary(PATH, message, 5000)).equals(message));
  }
  const { ":path": path, te, "grpc-timeout": timeout, "content-type": type, ":authority": host } = seen;
  assert.deepEqual([path, te, timeout, type], [PATH, "trailers", "5000m", "application/grpc"]);
  assert.equal(`http://${host}`, peer.url);
  assert.equal(peer.sessions.length, 1);
});

test("etcd's errors come with their code and text, with and without an answer before them", async () => {
  const failures: Record<string, Serve> = {
    "/trailers": (stream) => answer(stream, [], { "grpc-status": "11", "grpc-message": "compacted 100%25 a%C3%A4" }),
    "/headers": (stream) => stream.respond({ ":status": 200, "grpc-status": "8" }, { endStream: true }),
    "/proxy": (stream) => stream.respond({ ":status": 503 }, { endStream: true }),
    "/silent": (stream) => answer(stream, [Buffer.from("x")], {}),
    "/empty": (stream) => answer(stream, [], OK),
    "/compressed": (stream) => {
      stream.respond({ ":status": 200 });
      stream.end(Buffer.from([1, 0, 0, 0, 0]));
    },
  };
  await using peer = await peerOf((stream, { ":path": path }) => failures[String(path)]?.(stream, {}));
  using channel = channelTo(peer.url);
  const errorOf = (path: string) =>
    channel.unary(path, NOTHING, 5000).catch(({ name, code, message }) => [name, code, message]);
  assert.deepEqual(await errorOf("/trailers"), ["GrpcError", 11, "compacted 100% aä"]);
  assert.deepEqual(await errorOf("/headers"), ["GrpcError", 8, "gRPC status 8"]);
  assert.deepEqual(await errorOf("/proxy"), ["GrpcError", UNAVAILABLE, "etcd: HTTP status 503"]);
  assert.deepEqual(await errorOf("/silent"), ["GrpcError", UNAVAILABLE, "etcd: the call ended without a status"]);
  assert.deepEqual(await errorOf("/empty"), ["GrpcError", UNAVAILABLE, "/empty was answered with nothing"]);
  assert.deepEqual(await errorOf("/compressed"), ["GrpcError", UNAVAILABLE, "etcd: a message that was not asked for"]);
});

test("a deadline ends the call for both sides, and the connection lives on", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  await using peer = await peerOf((stream, { ":path": path }) => {
    if (path === "/slow") stream.once("close", () => resolve());
    else answer(stream, [Buffer.from("fine")], OK);
  });
  const clock = new FakeClock();
  using channel = new GrpcChannel({ servers: [peer.url], name: "etcd" }, { clock });
  await channel.unary(PATH, NOTHING, 60_000);
  const late = assert.rejects(channel.unary("/slow", NOTHING, 1000), { code: DEADLINE_EXCEEDED });
  // The call must be there before its time is up, or nothing would be cancelled.
  await channel.unary(PATH, NOTHING, 60_000);
  await clock.advance(1000);
  await late;
  await cancelled;
  assert.equal((await channel.unary(PATH, NOTHING, 60_000)).toString(), "fine");
  assert.equal(peer.sessions.length, 1);
});

test("a broken connection fails its calls, and the next call goes to the next member", async () => {
  await using dead = await peerOf((stream) => stream.session?.destroy());
  await using alive = await peerOf((stream) => answer(stream, [Buffer.from("alive")], OK));
  using channel = channelTo(dead.url, alive.url);
  const calls = Array.from({ length: 3 }, () => channel.unary(PATH, NOTHING, 5000));
  for (const { status } of await Promise.allSettled(calls)) assert.equal(status, "rejected");
  assert.equal((await channel.unary(PATH, NOTHING, 5000)).toString(), "alive");
  // The one that says goodbye finishes its calls; the next call finds another connection.
  alive.sessions[0]?.close();
  await waitFor("the other member to be asked", async () => {
    await channel.unary(PATH, NOTHING, 5000).catch(() => {});
    return dead.sessions.length > 1;
  });
});

test("messages of a stream arrive one by one, however they are cut, until it is cancelled", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using peer = await peerOf((stream, headers) => {
    assert.equal(headers.hasleader, "true");
    stream.once("close", () => resolve());
    stream.respond({ ":status": 200 });
    stream.on("data", (chunk: Buffer) => {
      // Gives every message back twice, byte by byte.
      for (const byte of Buffer.concat([chunk, chunk])) stream.write(Buffer.from([byte]));
    });
  });
  using channel = channelTo(peer.url);
  const got: string[] = [];
  const { promise: all, resolve: haveAll } = Promise.withResolvers<void>();
  const handlers = {
    onMessage: (message: Buffer) => {
      got.push(message.toString());
      if (got.length < 3) return;
      stream.cancel();
      haveAll();
    },
    onEnd: () => assert.fail("a cancelled call was told of its end"),
  };
  const stream = channel.stream("/etcdserverpb.Watch/Watch", handlers, { hasleader: "true" });
  stream.send(Buffer.from("one"));
  stream.send(Buffer.from("two"));
  await all;
  await gone;
  assert.equal(got.length, 3);
  assert.ok(got.every((message) => message === "one" || message === "two"));
});

test("a peer that takes the connection and says nothing is left after an unanswered ping", async () => {
  await using mute = await listening(createTcpServer((socket) => socket.resume()));
  const clock = new FakeClock();
  using channel = new GrpcChannel({ servers: [mute.url], name: "etcd" }, { clock });
  let error: { code: number; message: string } | undefined;
  void channel.unary(PATH, NOTHING, 120_000).catch((reason) => {
    error = reason;
  });
  // Not at a certain time: pings begin once the connection is there.
  await waitFor("the call to fail", async () => {
    await clock.advance(5000);
    return error;
  });
  assert.equal(error?.code, UNAVAILABLE);
});

test("a closed channel fails what is open and what comes", async () => {
  await using peer = await peerOf(() => {});
  const channel = channelTo(peer.url);
  const open = channel.unary(PATH, NOTHING, 5000);
  channel[Symbol.dispose]();
  await assert.rejects(open, { code: UNAVAILABLE });
  await assert.rejects(channel.unary(PATH, NOTHING, 5000), { code: UNAVAILABLE });
});

test("a Unix socket is a server like any other, and is never pinged", async () => {
  const dir = await mkdtemp(join(tmpdir(), "skiff grpc-"));
  const path = join(dir, "a.sock");
  const server = createServer();
  let pings = 0;
  const hosts: unknown[] = [];
  server.on("session", (session: ServerHttp2Session) => session.on("ping", () => pings++));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    hosts.push(headers[":authority"]);
    if (headers[":path"] !== "/open") answer(stream, [Buffer.from("here")], OK);
  });
  await once(server.listen(path), "listening");
  try {
    const clock = new FakeClock();
    using channel = new GrpcChannel({ servers: [`unix://${encodeURI(path)}`], name: "x" }, { clock });
    const open = channel.unary("/open", NOTHING, 600_000).catch(() => {});
    assert.equal((await channel.unary(PATH, NOTHING, 60_000)).toString(), "here");
    await clock.advance(60_000);
    assert.equal((await channel.unary(PATH, NOTHING, 60_000)).toString(), "here");
    assert.deepEqual(hosts, ["localhost", "localhost", "localhost"]);
    assert.equal(pings, 0);
    channel[Symbol.dispose]();
    await open;
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
  }
});

test("a call that its caller gives up ends for both sides, and one given up before never reaches the server's work", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  await using peer = await peerOf((stream) => {
    stream.once("close", () => resolve());
    arrive();
  });
  using channel = channelTo(peer.url);
  const stop = new AbortController();
  const call = channel.unary(PATH, NOTHING, 60_000, stop.signal);
  await arrived;
  stop.abort();
  await assert.rejects(call, { code: CANCELLED });
  await cancelled;
  await assert.rejects(channel.unary(PATH, NOTHING, 60_000, stop.signal), { code: CANCELLED });
});

test("readMessages gives what the server sends, its error at the end, and stops when it is told to", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using peer = await peerOf((stream, { ":path": path }) => {
    if (path === "/ends")
      return answer(
        stream,
        ["a", "b"].map((text) => Buffer.from(text)),
        OK,
      );
    if (path === "/fails")
      return answer(stream, [Buffer.from("a")], { "grpc-status": "12", "grpc-message": "no such" });
    stream.once("close", () => resolve());
    stream.respond({ ":status": 200 });
    stream.write(framed(Buffer.from("first")));
  });
  using channel = channelTo(peer.url);
  const stop = new AbortController();
  const got: string[] = [];
  const read = async (path: string) => {
    for await (const message of readMessages(channel, path, NOTHING, stop.signal)) {
      got.push(message.toString());
      if (path === "/lasts") stop.abort();
    }
  };
  await read("/ends");
  await assert.rejects(read("/fails"), { name: "GrpcError", code: UNIMPLEMENTED, message: "no such" });
  await read("/lasts");
  await gone;
  assert.deepEqual(got, ["a", "b", "a", "first"]);
});

test("readMessages gives up a server that sends more than anybody reads", async () => {
  await using peer = await peerOf((stream) =>
    answer(
      stream,
      Array.from({ length: 10_002 }, () => NOTHING),
      OK,
    ),
  );
  using channel = channelTo(peer.url);
  const messages = readMessages(channel, "/flood", NOTHING, new AbortController().signal)[Symbol.asyncIterator]();
  await messages.next();
  // Nobody reads meanwhile, and this answer comes after the flood.
  await channel.unary("/flood", NOTHING, 60_000);
  await assert.rejects(
    async () => {
      for (;;) if ((await messages.next()).done) return;
    },
    { message: "nobody reads what /flood sends" },
  );
});
