// Which Secrets make a joining machine somebody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { secrets } from "@skiff/api/resource-ref.ts";
import type { Secret } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import { judgeToken } from "./bootstrap-token.ts";
import { createAuthenticator } from "./index.ts";

const signal = new AbortController().signal;
const NOW = Date.parse("2026-05-01T00:00:00Z");
const KEY = "0123456789abcdef";

function secret(fields: Record<string, string> = {}, more: object = {}): Secret {
  const all = { "token-id": "abcdef", "token-secret": KEY, "usage-bootstrap-authentication": "true", ...fields };
  const data = Object.fromEntries(
    Object.entries(all).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  );
  const metadata = { name: "bootstrap-token-abcdef", namespace: "kube-system", uid: "u", resourceVersion: "1" };
  return { metadata: { ...metadata, creationTimestamp: "" }, type: "bootstrap.kubernetes.io/token", data, ...more };
}

test("judgeToken makes a bootstrapper with its extra groups", () => {
  const groups = { "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token" };
  assert.deepEqual(judgeToken(secret({ ...groups, expiration: "2026-05-01T00:00:01Z" }), "abcdef", KEY, NOW), {
    user: {
      name: "system:bootstrap:abcdef",
      groups: ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"],
      extra: {},
    },
  });
});

test("judgeToken refuses what is wrong, spent, for another use, or would make an administrator", () => {
  const problems: [Secret | undefined, RegExp][] = [
    [undefined, /no such Secret/],
    [secret({}, { type: "Opaque" }), /another type/],
    [secret({ "token-secret": "0123456789abcdeX" }), /key is wrong/],
    [secret({ "token-secret": "" }), /key is wrong/],
    [secret({ "token-id": "ghijkl" }), /another token-id/],
    [secret({ expiration: "2026-05-01T00:00:00Z" }), /expired/],
    [secret({ expiration: "tomorrow" }), /expired/],
    [secret({ "usage-bootstrap-authentication": "1" }), /not for authentication/],
    [secret({ "auth-extra-groups": "system:masters" }), /group "system:masters"/],
    [secret({ "auth-extra-groups": "system:bootstrappers:" }), /group/],
  ];
  for (const [given, expected] of problems) {
    const verdict = judgeToken(given, "abcdef", KEY, NOW);
    assert.match("problem" in verdict ? verdict.problem : "accepted", expected);
  }
  const gone = secret();
  gone.metadata.deletionTimestamp = "2026-04-30T00:00:00Z";
  assert.match(JSON.stringify(judgeToken(gone, "abcdef", KEY, NOW)), /being deleted/);
});

test("bootstrap tokens count only where they are turned on, for requests and for reviews", async () => {
  const reader = new MemoryReader();
  reader.put(secrets, secret());
  const config = {
    anonymousAuth: true,
    clientCa: "",
    serviceAccountIssuer: "https://issuer",
    serviceAccountKeyFiles: [],
    apiAudiences: [],
  };
  const deps = { reader, clock: realClock, log: silentLogger() };
  const token = `abcdef.${KEY}`;
  const ask = (bootstrapTokens: boolean, given: string) =>
    createAuthenticator({ ...config, bootstrapTokens }, deps).authenticate(
      { headers: { authorization: `Bearer ${given}` }, peerCertificate: undefined },
      signal,
    );
  assert.deepEqual((await ask(true, token))?.groups, ["system:bootstrappers", "system:authenticated"]);
  await assert.rejects(ask(true, "abcdef.0123456789abcdeg"), { code: 401 });
  await assert.rejects(ask(false, token), { code: 401 });
  const authenticator = createAuthenticator({ ...config, bootstrapTokens: true }, deps);
  const known = await authenticator.authenticateToken(token, [], signal);
  assert.deepEqual([known?.user.name, known?.audiences], ["system:bootstrap:abcdef", ["https://issuer"]]);
  assert.equal(await authenticator.authenticateToken(token, ["other"], signal), undefined);
});
