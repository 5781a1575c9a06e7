// What signers take, how long certificates last, and when requests are forgotten.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import { makeCertificateRequest, type RequestSubject } from "@skiff/component-base/x509/certificate-request.ts";
import { parseConfig } from "../../config.ts";
import { recognize } from "./csr-approving.ts";
import { reasonToRemove } from "./csr-cleaner.ts";
import { lifetime } from "./csr-signing.ts";
import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER, SIGNER_RULES } from "./signer-rules.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const NODE = { commonName: "system:node:n1", organizations: ["system:nodes"] };
const CLIENT_USAGES = ["digital signature", "client auth"];
const NOW = Date.parse("2026-05-01T00:00:00Z");
const HOUR = 3_600_000;
const CERT = Buffer.from("-----BEGIN CERTIFICATE-----\n").toString("base64");

function csr(subject: RequestSubject, more: Partial<CertificateSigningRequest["spec"]> = {}, status: object = {}) {
  const request = Buffer.from(makeCertificateRequest(subject, privateKey)).toString("base64");
  const metadata = { name: "r", uid: "", resourceVersion: "", creationTimestamp: formatTime(NOW) };
  const spec = { request, signerName: KUBELET_CLIENT_SIGNER, usages: CLIENT_USAGES, username: "boot", ...more };
  return { metadata, spec, status } satisfies CertificateSigningRequest;
}

test("recognize knows a kubelet's own renewal from a request for another, and leaves all else alone", () => {
  const rights = (request: CertificateSigningRequest) => recognize(request).map(({ subresource }) => subresource);
  assert.deepEqual(rights(csr(NODE)), ["nodeclient"]);
  assert.deepEqual(rights(csr(NODE, { username: NODE.commonName })), ["selfnodeclient", "nodeclient"]);
  assert.deepEqual(rights(csr(NODE, { signerName: KUBELET_SERVING_SIGNER })), []);
  assert.deepEqual(rights(csr({ ...NODE, dnsNames: ["n1"] })), []);
  assert.deepEqual(rights(csr(NODE, { usages: ["server auth"] })), []);
  assert.deepEqual(rights(csr(NODE, {}, { certificate: CERT })), []);
  for (const type of ["Approved", "Denied"]) {
    assert.deepEqual(rights(csr(NODE, {}, { conditions: [{ type, status: "True" }] })), []);
  }
  assert.throws(() => recognize(csr(NODE, { request: "eA==" })), /unable to parse csr "r"/);
});

test("signers refuse in upstream's words", () => {
  const none = { dnsNames: [], addresses: [], emails: [], uris: [] };
  const judge = (signer: string, more: object, usages: readonly string[]) =>
    SIGNER_RULES[signer]?.({ ...NODE, ...none, ...more }, usages);
  const serving = ["digital signature", "key encipherment", "server auth"];
  assert.equal(judge(KUBELET_CLIENT_SIGNER, {}, CLIENT_USAGES), undefined);
  assert.equal(judge(KUBELET_CLIENT_SIGNER, {}, [...CLIENT_USAGES, "key encipherment"]), undefined);
  const nodes = "subject organization is not system:nodes";
  assert.equal(judge(KUBELET_CLIENT_SIGNER, { organizations: ["system:nodes", "x"] }, CLIENT_USAGES), nodes);
  assert.equal(
    judge(KUBELET_CLIENT_SIGNER, { commonName: "n1" }, CLIENT_USAGES),
    "subject common name does not begin with system:node:",
  );
  assert.equal(
    judge(KUBELET_CLIENT_SIGNER, { addresses: ["1.2.3.4"] }, CLIENT_USAGES),
    "IP subjectAltNames are not allowed",
  );
  assert.equal(
    judge(KUBELET_CLIENT_SIGNER, {}, ["client auth"]),
    "usages did not match [client auth digital signature key encipherment]",
  );
  assert.equal(judge(KUBELET_SERVING_SIGNER, {}, serving), "DNS or IP subjectAltName is required");
  assert.equal(judge(KUBELET_SERVING_SIGNER, { dnsNames: ["n1"] }, serving), undefined);
  assert.equal(
    judge(KUBELET_SERVING_SIGNER, { dnsNames: ["n1"] }, CLIENT_USAGES),
    "usages did not match [digital signature key encipherment server auth]",
  );
  assert.equal(
    judge(KUBELET_SERVING_SIGNER, { dnsNames: ["n1"], uris: ["a://b"] }, serving),
    "URI subjectAltNames are not allowed",
  );
  assert.equal(judge(CLIENT_SIGNER, {}, ["server auth"]), "invalid usage for client certificate: server auth");
  assert.equal(
    judge(CLIENT_SIGNER, {}, ["digital signature"]),
    "missing required usage for client certificate: client auth",
  );
});

test("lifetime obeys the shorter wish, and never outlives the authority", () => {
  const year = 8760 * HOUR;
  const far = NOW + 10 * year;
  assert.deepEqual(lifetime(year, undefined, NOW, far), {
    notBeforeMs: NOW - 300_000,
    notAfterMs: NOW - 300_000 + year,
  });
  assert.equal(lifetime(year, 3600, NOW, far).notAfterMs, NOW + HOUR);
  assert.equal(lifetime(year, 1, NOW, far).notAfterMs, NOW + 600_000);
  assert.equal(lifetime(HOUR, 2 * 3600, NOW, far).notAfterMs, NOW + HOUR);
  assert.equal(lifetime(year, undefined, NOW, NOW + 5).notAfterMs, NOW + 5);
  assert.throws(() => lifetime(year, undefined, NOW, NOW), /refusing to sign a certificate that expired in the past/);
});

test("reasonToRemove lets answered requests go after an hour and open ones after a day", () => {
  const answered = (type: string, certificate?: string) => {
    const conditions = [{ type, status: "True", lastUpdateTime: formatTime(NOW) }];
    return csr(NODE, {}, { conditions, ...(certificate ? { certificate } : {}) });
  };
  assert.equal(reasonToRemove(csr(NODE), NOW + 24 * HOUR), undefined);
  assert.equal(reasonToRemove(csr(NODE), NOW + 24 * HOUR + 1), "pending for too long");
  for (const [type, certificate, reason] of [
    ["Denied", undefined, "denied"],
    ["Failed", undefined, "failed"],
    ["Approved", CERT, "issued"],
  ] as const) {
    assert.equal(reasonToRemove(answered(type, certificate), NOW + HOUR), undefined);
    assert.equal(reasonToRemove(answered(type, certificate), NOW + HOUR + 1), reason);
  }
  // Approved and not yet signed: a signer may be away for long.
  assert.equal(reasonToRemove(answered("Approved"), NOW + 48 * HOUR), undefined);
});

test("certificate flags: one authority for all signers, or one each, and never both or half of one", () => {
  const parse = (...flags: string[]) => parseConfig(["--kubeconfig=k", ...flags]).certificates;
  const all = ["--cluster-signing-cert-file=c", "--cluster-signing-key-file=k"];
  assert.equal(Object.keys(parse(...all).signers).length, 4);
  assert.deepEqual(parse(), { signers: {}, durationMs: 8760 * HOUR });
  const serving = ["--cluster-signing-kubelet-serving-cert-file=s", "--cluster-signing-kubelet-serving-key-file=t"];
  assert.deepEqual(parse(...serving).signers, { [KUBELET_SERVING_SIGNER]: { cert: "s", key: "t" } });
  assert.throws(() => parse(...all, ...serving), /cannot specify both --cluster-signing-\{cert,key\}-file and other/);
  assert.throws(() => parse("--cluster-signing-cert-file=c"), /go together/);
  assert.throws(() => parse("--cluster-signing-duration=0s"), /must be positive/);
});
