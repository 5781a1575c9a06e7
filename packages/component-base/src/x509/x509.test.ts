// Requests and certificates, judged by Node's own reader and by openssl.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { derOf, makeCertificateRequest, parseCertificateRequest, pemOf } from "./certificate-request.ts";
import { children, der, oid, readDer, readOid } from "./der.ts";
import { issueCertificate } from "./issue-certificate.ts";

const dir = mkdtempSync(join(tmpdir(), "skiff-x509-"));
after(() => rmSync(dir, { recursive: true }));

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const SUBJECT = {
  commonName: "system:node:n1",
  organizations: ["system:nodes", "größer"],
  dnsNames: ["n1", "n1.example"],
  addresses: ["10.0.0.1", "fd00::1:2"],
};

test("der reads what it writes: long lengths, large arcs, and refuses what is cut short", () => {
  const long = der(0x04, Buffer.alloc(70_000, 7));
  assert.equal(readDer(long).content.length, 70_000);
  for (const id of ["1.2.840.113549.1.9.14", "2.5.29.17", "2.16.840.1.113730.4.1"]) {
    assert.equal(readOid(readDer(oid(id))), id);
  }
  assert.throws(() => readDer(long.subarray(0, -1)), /truncated/);
  assert.throws(() => readDer(Buffer.from([0x30, 0x84, 0xff])), /length/);
  assert.deepEqual(children(readDer(der(0x30))), []);
});

test("a request of ours holds for openssl, and comes back as it was", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = makeCertificateRequest(SUBJECT, privateKey);
  writeFileSync(join(dir, "ours.csr"), pem);
  const shown = openssl("req", "-in", "ours.csr", "-noout", "-verify", "-text");
  assert.match(shown, /DNS:n1, DNS:n1\.example, IP Address:10\.0\.0\.1, IP Address:FD00:0:0:0:0:0:1:2/);
  const parsed = parseCertificateRequest(pem);
  assert.deepEqual(
    [parsed.commonName, parsed.organizations, parsed.dnsNames, parsed.addresses, parsed.hasValidSignature],
    [SUBJECT.commonName, SUBJECT.organizations, SUBJECT.dnsNames, ["10.0.0.1", "fd00:0:0:0:0:0:1:2"], true],
  );
});

test("a request that was altered, or is none, is found out", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const bytes = derOf("CERTIFICATE REQUEST", makeCertificateRequest(SUBJECT, privateKey));
  const at = bytes?.indexOf("system:node:n1") ?? -1;
  bytes?.write("X", at);
  assert.equal(parseCertificateRequest(pemOf("CERTIFICATE REQUEST", bytes ?? Buffer.of())).hasValidSignature, false);
  assert.throws(() => parseCertificateRequest("nonsense"), /PEM block type must be CERTIFICATE REQUEST/);
  assert.throws(() => parseCertificateRequest(pemOf("CERTIFICATE REQUEST", Buffer.from("nonsense"))), /malformed/);
});

for (const kind of ["rsa:2048", "ec"] as const) {
  test(`openssl's request with every kind of name becomes a certificate of an ${kind} authority that openssl verifies`, () => {
    const keyArgs = kind === "ec" ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"] : ["-newkey", kind];
    openssl(
      "req",
      "-x509",
      ...keyArgs,
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.crt",
      "-subj",
      "/CN=ca",
      "-days",
      "9",
    );
    const names = "subjectAltName=DNS:a,email:b@c,URI:spiffe://d,IP:1.2.3.4";
    const subject = "/O=one/O=two/CN=me";
    openssl(
      "req",
      "-new",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "k",
      "-out",
      "r.csr",
      "-subj",
      subject,
      "-addext",
      names,
    );
    const request = parseCertificateRequest(readFileSync(join(dir, "r.csr"), "utf8"));
    assert.deepEqual(
      [request.organizations, request.dnsNames, request.emails, request.uris, request.addresses],
      [["one", "two"], ["a"], ["b@c"], ["spiffe://d"], ["1.2.3.4"]],
    );
    const ca = { cert: readFileSync(join(dir, "ca.crt"), "utf8"), key: readFileSync(join(dir, "ca.key"), "utf8") };
    const from = Date.parse(new X509Certificate(ca.cert).validFrom);
    const terms = { usages: ["digital signature", "key encipherment", "client auth"], notBeforeMs: from };
    const pem = issueCertificate(ca, request, { ...terms, notAfterMs: from + 86_400_000 });
    writeFileSync(join(dir, "out.crt"), pem);
    assert.match(openssl("verify", "-CAfile", "ca.crt", "-purpose", "sslclient", "out.crt"), /OK/);
    assert.throws(() => openssl("verify", "-CAfile", "ca.crt", "-purpose", "sslserver", "out.crt"));
    const shown = openssl("x509", "-in", "out.crt", "-noout", "-text");
    assert.match(shown, /Key Usage: critical\s+Digital Signature, Key Encipherment\s/);
    assert.match(shown, /CA:FALSE/);
    const certificate = new X509Certificate(pem);
    assert.equal(certificate.validToDate.getTime() - certificate.validFromDate.getTime(), 86_400_000);
    assert.equal(certificate.subject, "O=one\nO=two\nCN=me");
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const wrong = { ...ca, key: other.export({ type: "pkcs8", format: "pem" }).toString() };
    assert.throws(() => issueCertificate(wrong, request, { ...terms, notAfterMs: from + 1000 }), /does not match/);
  });
}
