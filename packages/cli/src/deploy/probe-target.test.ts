// How health entries become words of a command line, and those a probe again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { probeOf, probeWords } from "./probe-target.ts";

test("probeWords and probeOf agree about sockets, and probeWords names the files of TLS", () => {
  for (const probe of [
    { kind: "tcp", host: "10.0.0.1", port: 10250 },
    { kind: "unix", path: "/run/containerd/containerd.sock" },
  ] as const) {
    const [url = ""] = probeWords(probe);
    assert.deepEqual(probeOf({ url }), probe);
  }
  const words = probeWords({ url: "https://10.0.0.1:2379/health", ca: "/ca.crt", cert: "/x.crt", key: "/x.key" });
  assert.deepEqual(words, ["https://10.0.0.1:2379/health", "--ca=/ca.crt", "--cert=/x.crt", "--key=/x.key"]);
});

test("probeOf refuses what it cannot ask", () => {
  assert.throws(() => probeOf({ url: "ftp://10.0.0.1/" }), /no http, https, tcp or unix URL/);
});
