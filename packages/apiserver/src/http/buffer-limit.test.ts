// Many connections whose readers do not read: together they hold no more than the bound, and others are left alone.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { testAuthority } from "@skiff/testkit/test-authority.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { BufferLimit } from "./buffer-limit.ts";
import { listen } from "./listener.ts";

const MEGABYTE = 1024 * 1024;

test("connections that hold most are cut once all together hold too much", { timeout: 60_000 }, async (t) => {
  const authority = await testAuthority("authority");
  const identity = await authority.sign({ commonName: "server", addresses: ["127.0.0.1"], usages: ["server"] });
  const clock = new FakeClock();
  const metrics = new MetricsRegistry();
  const limit = new BufferLimit(16 * MEGABYTE, { clock, log: silentLogger(), metrics });
  const answer = Buffer.alloc(MEGABYTE, "x");
  const listener = await listen(
    { host: "127.0.0.1", port: 0, ...identity, clientCa: [] },
    {
      request(request, response) {
        limit.opened(request, response);
        response.once("close", () => limit.closed(response));
        response.end(request.url === "/small" ? "ok" : answer);
      },
      upgrade: (_request, socket) => socket.destroy(),
    },
  );
  const open = (): ClientHttp2Session => {
    const session = connect(`https://127.0.0.1:${listener.port}`, { ca: authority.cert });
    session.on("error", () => {});
    return session;
  };
  const greedy = Array.from({ length: 5 }, open);
  const polite = open();
  t.after(async () => {
    for (const session of [...greedy, polite]) session.destroy();
    await listener.close(Promise.resolve());
  });
  let heads = 0;
  // Streams that nobody reads hold back all but their window: 30 MB.
  for (const session of greedy) {
    for (let i = 0; i < 6; i++) {
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      stream.on("response", () => (heads += 1));
    }
  }
  const stays = polite.request({ ":path": "/" });
  stays.pause();
  await once(stays, "response");
  await waitFor("all to be answered", () => heads === 30);
  await clock.advance(1000);
  // Down to three quarters of the bound.
  await waitFor("four to be cut", () => greedy.filter((session) => session.destroyed).length === 4);
  assert.match(metrics.render(), /^apiserver_cut_connections_total 4$/m);
  assert.equal(polite.destroyed, false);
  const small = polite.request({ ":path": "/small" });
  const [headers] = await once(small, "response");
  assert.equal(headers[":status"], 200);
  await clock.advance(1000);
  const buffered = Number(/^apiserver_buffered_bytes (\d+)$/m.exec(metrics.render())?.[1]);
  assert.ok(buffered > 0 && buffered <= 16 * MEGABYTE, `${buffered} bytes`);
});
