import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { frame } from "./frames.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { GRPC, GrpcError } from "./grpc-error.ts";

const NEVER = new AbortController().signal;

type Answer = (stream: ServerHttp2Stream, path: string) => void;

async function serve(answer: Answer) {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    stream.resume();
    answer(stream, String(headers[":path"]));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const names = { authority: "localhost", userAgent: "test" };
  const channel = new GrpcChannel({ host: "127.0.0.1", port }, names, { clock: realClock });
  const cut = () => {
    for (const session of sessions) session.destroy();
  };
  return {
    channel,
    cut,
    [Symbol.dispose]() {
      channel[Symbol.dispose]();
      cut();
      server.close();
    },
  };
}

function reply(stream: ServerHttp2Stream, messages: string[], trailers: Record<string, string>): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const message of messages) stream.write(frame(Buffer.from(message)));
  stream.end();
}

const call = (channel: GrpcChannel, path = "/s/m", timeoutMs = 5000, signal?: AbortSignal) =>
  channel.unary(path, Buffer.from("request"), { timeoutMs, signal });

const code = (wanted: number, words: RegExp) => (error: unknown) =>
  error instanceof GrpcError && error.code === wanted && words.test(error.message);

test("gRPC channel gives the answer, and the server's refusal in its words", async () => {
  using server = await serve((stream, path) => {
    if (path === "/s/m") reply(stream, ["answer"], { "grpc-status": "0" });
    // As servers refuse: one head, nothing else.
    else stream.respond({ ":status": 200, "grpc-status": "5", "grpc-message": "no%20such thing" }, { endStream: true });
  });
  assert.equal(String(await call(server.channel)), "answer");
  await assert.rejects(call(server.channel, "/s/other"), code(GRPC.notFound, /code = NotFound desc = no such thing/));
});

test("gRPC channel connects anew after the connection is lost, and fails what was under way as unavailable", async () => {
  let calls = 0;
  using server = await serve((stream) => {
    if (++calls === 1) server.cut();
    else reply(stream, ["back"], { "grpc-status": "0" });
  });
  await assert.rejects(call(server.channel), code(GRPC.unavailable, /Unavailable/));
  assert.equal(String(await call(server.channel)), "back");
});

test("gRPC channel says unavailable where nobody listens", async () => {
  const names = { authority: "localhost", userAgent: "test" };
  using channel = new GrpcChannel({ path: "/nonexistent/socket" }, names, { clock: realClock });
  await assert.rejects(call(channel), code(GRPC.unavailable, /ENOENT/));
});

test("gRPC channel calls off at its deadline or its caller's wish, and tells the server", async () => {
  const closed: Promise<unknown>[] = [];
  using server = await serve((stream) => closed.push(once(stream, "close")));
  await assert.rejects(call(server.channel, "/s/m", 20), code(GRPC.deadlineExceeded, /DeadlineExceeded/));
  const stop = new AbortController();
  const asked = call(server.channel, "/s/m", 5000, stop.signal);
  setImmediate(() => stop.abort());
  await assert.rejects(asked, code(GRPC.cancelled, /context canceled/));
  await Promise.all(closed);
  assert.equal(closed.length > 0, true);
});

test("gRPC channel streams messages, then throws why the stream ended", async () => {
  using server = await serve((stream) => reply(stream, ["one", "two"], { "grpc-status": "12" }));
  const seen: string[] = [];
  const read = async () => {
    for await (const message of server.channel.stream("/s/m", Buffer.alloc(0), NEVER)) seen.push(String(message));
  };
  await assert.rejects(read(), code(GRPC.unimplemented, /Unimplemented/));
  assert.deepEqual(seen, ["one", "two"]);
});
