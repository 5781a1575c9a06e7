// What of a client's head reaches the container runtime, and what streaming paths mean.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStreamTarget } from "./stream-target.ts";
import { answerHead, hasBody, rebuildHead } from "./upgrade-head.ts";

test("rebuildHead passes the stream's headers in order and no credential", () => {
  const head = rebuildHead(
    [
      ...["Host", "node:10250", "Authorization", "Bearer s3cret", "Cookie", "a=b", "Connection", "Upgrade, X-Evil"],
      ...["Upgrade", "SPDY/3.1", "X-Stream-Protocol-Version", "v4.channel.k8s.io"],
      ...["X-Stream-Protocol-Version", "v1.channel.k8s.io", "Impersonate-User", "root", "X-Remote-Group", "x"],
      ...["Content-Length", "0", "Transfer-Token", "s3cret"],
    ],
    "POST",
    "127.0.0.1:4000",
  );
  assert.deepEqual(head, [
    ...["Host", "127.0.0.1:4000", "Connection", "Upgrade", "Upgrade", "SPDY/3.1"],
    ...["X-Stream-Protocol-Version", "v4.channel.k8s.io", "X-Stream-Protocol-Version", "v1.channel.k8s.io"],
    ...["Content-Length", "0"],
  ]);
});

test("rebuildHead drops bearer subprotocols alone", () => {
  const token = "base64url.bearer.authorization.k8s.io.czNjcmV0";
  const offer = (value: string) => rebuildHead(["sec-websocket-protocol", value], "GET", "h").slice(4);
  assert.deepEqual(offer(`v5.channel.k8s.io,${token}, v4.channel.k8s.io`), [
    "sec-websocket-protocol",
    "v5.channel.k8s.io, v4.channel.k8s.io",
  ]);
  assert.deepEqual(offer(token), []);
});

test("hasBody sees any announced body", () => {
  assert.equal(hasBody(["Content-Length", "0"]), false);
  assert.equal(hasBody(["content-length", "5"]), true);
  assert.equal(hasBody(["Transfer-Encoding", "chunked"]), true);
});

test("answerHead closes the connection of a refusal and keeps a switch as it is", () => {
  const headers = ["Connection", "keep-alive", "Transfer-Encoding", "chunked", "X-A", "b"];
  assert.equal(
    answerHead(403, "Forbidden", headers, true),
    "HTTP/1.1 403 Forbidden\r\nX-A: b\r\nConnection: close\r\n\r\n",
  );
  const upgrade = ["Upgrade", "SPDY/3.1", "Connection", "Upgrade"];
  const expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n";
  assert.equal(answerHead(101, "Switching Protocols", upgrade, false), expected);
});

const target = (path: string, query: string, isWebSocket = false) =>
  parseStreamTarget(path, new URLSearchParams(query), isWebSocket);

test("parseStreamTarget reads paths with and without UID", () => {
  const names = { namespace: "default", pod: "web" };
  const streams = { stdin: true, stdout: true, stderr: false, tty: true };
  const query = "command=sh&command=-c&input=1&output=1&error=1&tty=1";
  assert.deepEqual(target("/exec/default/web/app", query), {
    ...{ ...names, kind: "exec", container: "app", uid: undefined },
    ...{ cmd: ["sh", "-c"], streams },
  });
  assert.equal(target("/attach/default/web/u-1/app", query).uid, "u-1");
  const forward = { ...names, kind: "portForward", uid: "u-1" };
  assert.deepEqual(target("/portForward/default/web/u-1", ""), { ...forward, ports: [] });
  assert.deepEqual(target("/portForward/default/web/u-1", "port=80&port=443", true), { ...forward, ports: [80, 443] });
});

test("parseStreamTarget refuses what asks for nothing", () => {
  assert.throws(() => target("/exec/default/web/app", "tty=1"), { status: 400 });
  assert.throws(() => target("/portForward/default/web", "", true), { status: 400 });
  assert.throws(() => target("/portForward/default/web", "port=0", true), { status: 400 });
  assert.throws(() => target("/exec/default/web", "output=1"), { status: 404 });
  assert.throws(() => target("/exec/default/web/u/app/more", "output=1"), { status: 404 });
});
