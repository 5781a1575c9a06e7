// When certificates are replaced, what they must say, and where they lie.
import assert from "node:assert/strict";
import { mkdtemp, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { CertificateStore } from "./certificate-store.ts";
import { keyPairOf, newKey } from "./key-pair.ts";
import { judgeAnswer } from "./request-certificate.ts";
import { coversNames, rotationDeadline } from "./rotation-deadline.ts";
import { selfSignedServing } from "./self-signed.ts";

const NOW = Date.parse("2026-05-01T10:20:30Z");

async function scratch() {
  const path = await mkdtemp(join(tmpdir(), "skiff-kubelet-pki-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

test("rotationDeadline lies between 70 and 90 percent of the certificate's life", () => {
  const pair = { notBeforeMs: 1000, notAfterMs: 2000 };
  assert.deepEqual(
    [0, 0.5, 1].map((random) => Math.round(rotationDeadline(pair, random))),
    [1700, 1800, 1900],
  );
});

test("CertificateStore keeps upstream's layout: dated files of certificate and key behind a link to the newest", async () => {
  await using dir = await scratch();
  const store = new CertificateStore(join(dir.path, "pki"), "kubelet-client");
  assert.equal(await store.current(), undefined);
  const first = await selfSignedServing(join(dir.path, "one"), "n1", NOW);
  const second = await selfSignedServing(join(dir.path, "two"), "n2", NOW);
  await store.update(first.cert, first.key, NOW);
  assert.equal(await readlink(store.currentPath), join(dir.path, "pki", "kubelet-client-2026-05-01-10-20-30.pem"));
  assert.equal((await stat(store.currentPath)).mode & 0o777, 0o600);
  await store.update(second.cert, second.key, NOW + 1000);
  assert.equal((await store.current())?.leaf.fingerprint256, second.leaf.fingerprint256);
  assert.match(
    await readFile(join(dir.path, "pki", "kubelet-client-2026-05-01-10-20-30.pem"), "utf8"),
    /EC PRIVATE KEY/,
  );
  await assert.rejects(store.update(first.cert, newKey(), NOW), /private key does not match public key/);
  await writeFile(store.currentPath, "nonsense");
  await assert.rejects(store.current(), /could not load .*kubelet-client-current\.pem/);
});

test("selfSignedServing makes one certificate for the node's name, and another once it has ended", async () => {
  await using dir = await scratch();
  const made = await selfSignedServing(dir.path, "n1", NOW);
  assert.ok(coversNames(made, { dnsNames: ["n1"], addresses: [] }));
  assert.ok(!coversNames(made, { dnsNames: ["n1"], addresses: ["10.0.0.1"] }));
  assert.equal((await selfSignedServing(dir.path, "n1", NOW + 1000)).cert, made.cert);
  assert.notEqual((await selfSignedServing(dir.path, "n1", made.notAfterMs)).cert, made.cert);
  assert.equal(keyPairOf(made.cert, made.key).leaf.subject, `CN=n1@${NOW / 1000}`);
});

test("judgeAnswer waits for approval and certificate, and repeats who refused why", () => {
  const csr = (status: object): CertificateSigningRequest => ({
    metadata: { name: "csr-1", uid: "u", resourceVersion: "", creationTimestamp: "" },
    spec: { request: "", signerName: "s", usages: [] },
    status,
  });
  const condition = (type: string) => ({ type, status: "True", reason: "Why", message: "because" });
  const certificate = Buffer.from("PEM").toString("base64");
  assert.equal(judgeAnswer(csr({}), "u"), undefined);
  assert.equal(judgeAnswer(csr({ certificate }), "u"), undefined);
  assert.equal(judgeAnswer(csr({ conditions: [condition("Approved")] }), "u"), undefined);
  assert.equal(judgeAnswer(csr({ conditions: [condition("Approved")], certificate }), "u"), "PEM");
  assert.throws(() => judgeAnswer(csr({ conditions: [condition("Denied")] }), "u"), {
    message: "certificate signing request is denied, reason: Why, message: because",
  });
  assert.throws(() => judgeAnswer(csr({ conditions: [condition("Approved"), condition("Failed")] }), "u"), {
    message: "certificate signing request failed, reason: Why, message: because",
  });
  assert.throws(() => judgeAnswer(csr({}), "other"), /csr "csr-1" changed UIDs/);
});
