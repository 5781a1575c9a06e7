// Pods' resolver settings in a container, and the relay that they lead to.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { relayDns, resolverForPods } from "./dns-relay.ts";

test("resolverForPods replaces a loopback server by the node and keeps the rest", () => {
  assert.deepEqual(
    resolverForPods("# made by Docker\nsearch a.b\nnameserver 127.0.0.11\noptions ndots:0\n", "10.0.0.5"),
    {
      text: "nameserver 10.0.0.5\nsearch a.b\noptions ndots:0\n",
      server: "127.0.0.11",
    },
  );
  assert.deepEqual(resolverForPods("nameserver 9.9.9.9\n", "10.0.0.5"), { text: "nameserver 9.9.9.9\n" });
});

test("relayDns brings each answer to whoever asked, and stops with its signal", async () => {
  const server = createSocket("udp4");
  server.on("message", (question, asker) => server.send(`re: ${question}`, asker.port, asker.address));
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const stop = new AbortController();
  const from = { host: "127.0.53.1", port: 20_000 + (process.pid % 20_000) };
  const to = { host: "127.0.0.1", port: server.address().port };
  const relay = relayDns(from, to, { clock: realClock, log: silentLogger() }, stop.signal);
  const askers = [createSocket("udp4"), createSocket("udp4")];
  try {
    const answers = askers.map(async (asker, index) => {
      asker.send(`question ${index}`, from.port, from.host);
      const [answer] = await once(asker, "message");
      return String(answer);
    });
    assert.deepEqual(await Promise.all(answers), ["re: question 0", "re: question 1"]);
  } finally {
    stop.abort();
    await relay;
    for (const socket of [...askers, server]) socket.close();
  }
});
