// Who a request is from: tokens against live objects, certificates, front proxies.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { pods, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import { createTokenSigner, type TokenContent } from "../reviews/token-signer.ts";
import { BoundedCache } from "./bounded-cache.ts";
import type { AuthenticationConfig } from "./index.ts";
import { createAuthenticator } from "./index.ts";

const signal = new AbortController().signal;
const ISSUER = "https://issuer";

function setUp(type: "rsa" | "ec", more: Partial<AuthenticationConfig> = {}) {
  const { privateKey, publicKey } =
    type === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = {
    private: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    public: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
  const reader = new MemoryReader();
  const time = { nowMs: realClock.now() };
  const clock: Clock = { ...realClock, now: () => time.nowMs };
  const config = {
    anonymousAuth: true,
    clientCa: "",
    serviceAccountIssuer: ISSUER,
    serviceAccountKeyFiles: [keys.public],
    apiAudiences: [],
    ...more,
  };
  const authenticator = createAuthenticator(config, { reader, clock, log: silentLogger() });
  const bearer = (token: string) =>
    authenticator.authenticate({ headers: { authorization: `Bearer ${token}` }, peerCertificate: undefined }, signal);
  const signer = createTokenSigner(keys.private, ISSUER);
  return { reader, time, authenticator, bearer, sign: async (content: TokenContent) => (await signer(content)).token };
}

function content(nowMs: number, more: object = {}) {
  const now = Math.floor(nowMs / 1000);
  const claims = { namespace: "ns", serviceaccount: { name: "sa", uid: "uid-sa" }, ...more };
  return { claims, audiences: [ISSUER], issuedAt: now, expiresAt: now + 600 };
}

for (const type of ["rsa", "ec"] as const) {
  test(`createAuthenticator takes a ${type} token while its account lives and its time lasts`, async () => {
    const { reader, time, bearer, sign } = setUp(type);
    const token = await sign(content(time.nowMs));
    await assert.rejects(bearer(token), { code: 401 });
    reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
    const user = await bearer(token);
    assert.equal(user?.name, "system:serviceaccount:ns:sa");
    assert.deepEqual(user?.groups, ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]);
    reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns", uid: "another" } });
    await assert.rejects(bearer(token), { code: 401 });
    reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
    time.nowMs += 601_000;
    await assert.rejects(bearer(token), { code: 401 });
  });
}

test("createAuthenticator says of a token that outlived its time, by how much", async () => {
  const { reader, time, bearer, sign } = setUp("ec");
  reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
  const now = content(time.nowMs);
  const token = await sign({ ...now, expiresAt: now.issuedAt + 86_400, warnAfter: now.issuedAt + 3607 });
  assert.equal((await bearer(token))?.proof, undefined);
  time.nowMs += 3_617_000;
  const said = (await bearer(token))?.proof?.["authentication.k8s.io/stale-token"];
  assert.match(said ?? "", /^subject: system:serviceaccount:ns:sa, seconds after warning threshold: 1[01]$/);
});

test("createAuthenticator ends a pod's token with the pod", async () => {
  const { reader, time, bearer, sign } = setUp("ec");
  reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
  reader.put(pods, { metadata: { name: "p", namespace: "ns" }, spec: { containers: [] } });
  const token = await sign(content(time.nowMs, { pod: { name: "p", uid: "uid-p" } }));
  assert.deepEqual((await bearer(token))?.extra["authentication.kubernetes.io/pod-name"], ["p"]);
  reader.remove(pods, "ns", "p");
  await assert.rejects(bearer(token), { code: 401 });
});

test("createAuthenticator refuses other issuers' keys, other audiences and altered tokens", async () => {
  const { reader, time, bearer, sign, authenticator } = setUp("ec");
  reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
  const foreign = await setUp("ec").sign(content(time.nowMs));
  await assert.rejects(bearer(foreign), { code: 401 });
  const forOthers = await sign({ ...content(time.nowMs), audiences: ["vault"] });
  await assert.rejects(bearer(forOthers), { code: 401 });
  const identity = await authenticator.authenticateToken(forOthers, ["vault", "x"], signal);
  assert.deepEqual(identity?.audiences, ["vault"]);
  const [head, , signature] = forOthers.split(".");
  const forged = Buffer.from(JSON.stringify({ iss: ISSUER, sub: "system:admin" })).toString("base64url");
  await assert.rejects(bearer(`${head}.${forged}.${signature}`), { code: 401 });
});

test("createAuthenticator treats a request without proof as anonymous only where that is on", async () => {
  const nothing = { headers: {}, peerCertificate: undefined };
  const user = await setUp("ec").authenticator.authenticate(nothing, signal);
  assert.deepEqual(user, { name: "system:anonymous", groups: ["system:unauthenticated"], extra: {} });
  const off = setUp("ec", { anonymousAuth: false }).authenticator;
  assert.equal(await off.authenticate(nothing, signal), undefined);
});

/** An authority and a client certificate of it, DER. */
function makeCertificate(t: TestContext, subject: string) {
  const folder = mkdtempSync(join(tmpdir(), "skiff-authn-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca");
  openssl("req", ...ec, "-keyout", "c.key", "-out", "c.csr", "-subj", subject);
  const sign = (name: string, by: string, ...more: string[]) => {
    const authority = ["-CA", `${by}.crt`, "-CAkey", `${by}.key`, "-CAcreateserial"];
    openssl("x509", "-req", "-in", `${name}.csr`, ...authority, "-days", "2", "-out", `${name}.crt`, ...more);
  };
  sign("c", "ca");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const der = (name: string) => new X509Certificate(read(name)).raw;
  /** The same subject, from an intermediate authority below this one. */
  const viaIntermediate = () => {
    writeFileSync(join(folder, "ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n");
    openssl("req", ...ec, "-keyout", "i.key", "-out", "i.csr", "-subj", "/CN=between");
    sign("i", "ca", "-extfile", "ext");
    sign("c", "i");
    return { peerCertificate: der("c.crt"), peerIntermediates: [der("i.crt")] };
  };
  return { ca: read("ca.crt"), der: der("c.crt"), viaIntermediate };
}

test("createAuthenticator reads user and groups from a certificate until it expires", async (t) => {
  const { der, ca } = makeCertificate(t, "/O=devs/O=qa/CN=alice");
  const { authenticator, time } = setUp("ec", { clientCa: ca });
  const credentials = { headers: {}, peerCertificate: der };
  const user = await authenticator.authenticate(credentials, signal);
  assert.equal(user?.name, "alice");
  assert.deepEqual(user?.groups, ["devs", "qa", "system:authenticated"]);
  time.nowMs += 3 * 24 * 3600_000;
  await assert.rejects(authenticator.authenticate(credentials, signal), { code: 401 });
});

test("createAuthenticator believes X-Remote headers from a front proxy's certificate alone", async (t) => {
  const proxy = makeCertificate(t, "/O=system:masters/CN=front");
  const requestHeader = {
    ca: proxy.ca,
    allowedNames: ["front"],
    usernameHeaders: ["X-Remote-User"],
    groupHeaders: ["X-Remote-Group"],
    extraPrefixes: ["X-Remote-Extra-"],
  };
  const stranger = makeCertificate(t, "/CN=front");
  const { authenticator } = setUp("ec", { requestHeader, clientCa: stranger.ca });
  const rawHeaders = [
    "X-Remote-User",
    "carl",
    "X-Remote-Group",
    "a",
    "X-Remote-Group",
    "b",
    "X-Remote-Extra-a%2fb",
    "c",
  ];
  const user = await authenticator.authenticate({ headers: {}, rawHeaders, peerCertificate: proxy.der }, signal);
  assert.equal(user?.name, "carl");
  assert.deepEqual(user?.groups, ["a", "b", "system:authenticated"]);
  assert.deepEqual({ ...user?.extra }, { "a/b": ["c"] });
  // Its own certificate must not make it system:masters.
  await assert.rejects(authenticator.authenticate({ headers: {}, peerCertificate: proxy.der }, signal), { code: 401 });
  const asItself = await authenticator.authenticate({ headers: {}, rawHeaders, peerCertificate: stranger.der }, signal);
  assert.equal(asItself?.name, "front");
});

test("createAuthenticator tells users' certificates from those of the front proxies' authority, intermediates included", async (t) => {
  const users = makeCertificate(t, "/CN=alice");
  const proxies = makeCertificate(t, "/O=system:masters/CN=admin");
  const lists = { allowedNames: [], usernameHeaders: ["X-Remote-User"], groupHeaders: [], extraPrefixes: [] };
  // The clock of setUp stands still, so every certificate is made before it.
  const own = users.viaIntermediate();
  const foreign = proxies.viaIntermediate();
  const { peerIntermediates } = users.viaIntermediate();
  const { authenticator } = setUp("ec", { clientCa: users.ca, requestHeader: { ca: proxies.ca, ...lists } });
  const user = await authenticator.authenticate({ headers: {}, ...own }, signal);
  assert.equal(user?.name, "alice");
  await assert.rejects(authenticator.authenticate({ headers: {}, ...foreign }, signal), { code: 401 });
  const named = await authenticator.authenticate({ headers: { "x-remote-user": "bob" }, ...foreign }, signal);
  assert.equal(named?.name, "bob");
  // What the client sends along proves nothing by its name alone.
  const mixed = { headers: {}, peerCertificate: foreign.peerCertificate, peerIntermediates };
  await assert.rejects(authenticator.authenticate(mixed, signal), { code: 401 });
});

test("createAuthenticator makes nobody of a certificate that was not verified, or where no authority is configured", async (t) => {
  const { der } = makeCertificate(t, "/O=system:masters/CN=admin");
  const { authenticator } = setUp("ec");
  for (const proof of [{ peerCertificate: der }, { peerCertificate: undefined, hasBadCertificate: true }]) {
    await assert.rejects(authenticator.authenticate({ headers: {}, ...proof }, signal), { code: 401 });
  }
});

test("BoundedCache drops the entry that was not used for longest", () => {
  const cache = new BoundedCache<string, number>(2);
  cache.set("a", 1);
  cache.set("b", 2);
  cache.get("a");
  cache.set("c", 3);
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [1, undefined, 3]);
});
