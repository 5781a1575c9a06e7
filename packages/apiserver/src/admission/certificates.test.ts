// Who may ask for, approve and sign certificates.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { makeCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { AdmissionRequest } from "./admission.ts";
import { createCertificateApproval, createCertificateSigning, createTrustBundleAttest } from "./certificate-signers.ts";
import { certificateSubjectRestriction } from "./certificate-subject-restriction.ts";

const signal = new AbortController().signal;
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

function csr(
  signerName: string,
  organizations: readonly string[] = [],
  status: object = {},
): CertificateSigningRequest {
  const request = Buffer.from(makeCertificateRequest({ commonName: "x", organizations }, privateKey)).toString(
    "base64",
  );
  const metadata = { name: "r", uid: "", resourceVersion: "", creationTimestamp: "" };
  return { metadata, spec: { request, signerName, usages: ["client auth"] }, status };
}

function write(subresource: string, next: CertificateSigningRequest, previous?: CertificateSigningRequest) {
  const request: AdmissionRequest = {
    operation: previous ? "UPDATE" : "CREATE",
    kind: findKind("certificates.k8s.io", "certificatesigningrequests") as KindDefinition,
    subresource,
    namespace: "",
    name: "r",
    object: next,
    oldObject: previous,
    user: { name: "alice", groups: [], extra: {} },
    dryRun: false,
    warn() {},
  };
  return request;
}

function allowing(right: string): Authorizer {
  return {
    name: "test",
    authorize: ({ verb, resource, name }) => ({
      verdict: `${verb} ${resource} ${name}` === right ? "allow" : "no-opinion",
      reason: "",
    }),
  };
}

test("CertificateApproval wants the right to approve for the stored signer or all of its domain", async () => {
  const stored = csr("a.io/b");
  const approve = async (right: string) =>
    createCertificateApproval(allowing(right)).validate?.(write("approval", csr("a.io/mine"), stored), signal);
  await approve("approve signers a.io/b");
  await approve("approve signers a.io/*");
  const message =
    'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with signerName "a.io/b"';
  for (const right of ["approve signers a.io/mine", "sign signers a.io/b"]) {
    await assert.rejects(approve(right), { code: 403, message });
  }
});

test("CertificateSigning wants the right to sign only where certificate or conditions change", async () => {
  const stored = csr("a.io/b");
  const sign = async (right: string, status: object) =>
    createCertificateSigning(allowing(right)).validate?.(write("status", csr("a.io/b", [], status), stored), signal);
  await sign("none", {});
  await sign("sign signers a.io/b", { certificate: "x" });
  await assert.rejects(sign("none", { certificate: "x" }), {
    code: 403,
    message: /user not permitted to sign requests/,
  });
  await assert.rejects(sign("none", { conditions: [{ type: "Failed", status: "True" }] }), { code: 403 });
});

test("CertificateSubjectRestriction keeps system:masters out of what the cluster's own signer signs", () => {
  const ask = (request: CertificateSigningRequest) => certificateSubjectRestriction.validate(write("", request));
  ask(csr("kubernetes.io/kube-apiserver-client", ["system:nodes"]));
  ask(csr("elsewhere.io/signer", ["system:masters"]));
  assert.throws(() => ask(csr("kubernetes.io/kube-apiserver-client", ["a", "system:masters"])), {
    code: 403,
    message: /use of kubernetes\.io\/kube-apiserver-client signer with system:masters group is not allowed$/,
  });
});

test("ClusterTrustBundleAttest wants the right to attest, but not for what the garbage collector writes", async () => {
  const kind = findKind("certificates.k8s.io", "clustertrustbundles") as KindDefinition;
  const metadata = { name: "a.io:b:1", uid: "", resourceVersion: "1", creationTimestamp: "" };
  const bundle = (spec: object, more: object = {}) => ({ metadata: { ...metadata, ...more }, spec });
  const attest = async (right: string, next: ReturnType<typeof bundle>, previous?: ReturnType<typeof bundle>) => {
    const operation = previous ? ("UPDATE" as const) : ("CREATE" as const);
    const request = {
      ...write("", csr("a.io/b")),
      operation,
      kind,
      name: metadata.name,
      object: next,
      oldObject: previous,
    };
    await createTrustBundleAttest(allowing(right)).validate?.(request, signal);
  };
  const mine = { signerName: "a.io/b", trustBundle: "x" };
  const message =
    /clustertrustbundles.* "a.io:b:1" is forbidden: user not permitted to attest for signerName "a.io\/b"/;
  await attest("attest signers a.io/b", bundle(mine));
  await attest("attest signers a.io/*", bundle(mine));
  await assert.rejects(attest("approve signers a.io/b", bundle(mine)), { message });
  await attest("", bundle({ trustBundle: "x" }));
  await attest("", bundle(mine, { finalizers: ["a.io/f"] }), bundle(mine));
  await assert.rejects(attest("", bundle({ ...mine, trustBundle: "y" }), bundle(mine)), { message });
  await assert.rejects(attest("", bundle(mine, { labels: { a: "b" } }), bundle(mine)), { message });
});
