// What may be asked for, and what a request's verdict may look like.
import assert from "node:assert/strict";
import { test } from "node:test";
import { created, judgeNew, judgeUpdate } from "../judge.ts";
import { podCertificateRequestKind } from "./pod-certificate-request.ts";

const SPEC = {
  signerName: "example.com/signer",
  podName: "web",
  podUID: "p",
  serviceAccountName: "default",
  serviceAccountUID: "s",
  nodeName: "n1",
  nodeUID: "n",
  stubPKCS10Request: "AA==",
};

const manifest = (more: object = {}) => ({ metadata: { name: "r", namespace: "default" }, spec: { ...SPEC, ...more } });
const judge = (more: object) => judgeNew(podCertificateRequestKind, manifest(more)).join("; ");

test("a request names who it is for, and asks for a life that its signer may give", () => {
  assert.equal(judge({}), "");
  assert.equal(created(podCertificateRequestKind, manifest()).spec.maxExpirationSeconds, 86_400);
  assert.match(judge({ maxExpirationSeconds: 3599 }), /must be in the range \[3600, 7862400\]/);
  const signerName = "kubernetes.io/kube-apiserver-client-pod";
  assert.match(judge({ signerName, maxExpirationSeconds: 86_401 }), /must be in the range \[3600, 86400\]/);
  assert.match(
    judge({ podUID: "", nodeUID: "x".repeat(129) }),
    /spec.podUID: .*must not be empty.*spec.nodeUID: Too long/,
  );
  assert.match(judge({ podName: "A" }), /spec.podName: .*lowercase RFC 1123 subdomain/);
  assert.match(judge({ unverifiedUserAnnotations: { plain: "x" } }), /must be a domain-prefixed key/);
});

test("a request brings its key in one way", () => {
  assert.match(judge({ stubPKCS10Request: "" }), /spec.stubPKCS10Request: Required value/);
  assert.equal(judge({ stubPKCS10Request: "", pkixPublicKey: "AA==", proofOfPossession: "AA==" }), "");
  assert.match(
    judge({ pkixPublicKey: "AA==" }),
    /spec.pkixPublicKey: Forbidden: must be empty if stubPKCS10Request is set/,
  );
  const long = Buffer.alloc(10_241).toString("base64");
  assert.match(judge({ stubPKCS10Request: long }), /spec.stubPKCS10Request: Too long/);
});

test("what was asked for stays, and so does the verdict", () => {
  const stored = created(podCertificateRequestKind, manifest());
  const change = (next: typeof stored) => {
    next.spec.podName = "other";
  };
  assert.match(judgeUpdate(podCertificateRequestKind, stored, change).join(), /spec: .*field is immutable/);
  const condition = (type: string) => ({ type, status: "True", reason: "R", message: "", lastTransitionTime: "t" });
  const says = (status: object, before: object = {}) => {
    const errors = podCertificateRequestKind.status?.validateUpdate(
      { ...stored, status },
      { ...stored, status: before },
    );
    return (errors ?? []).map(({ field, detail }) => `${field}: ${detail}`).join("; ");
  };
  assert.equal(says({ conditions: [condition("Denied")] }), "");
  assert.match(
    says({ conditions: [condition("Denied")], certificateChain: "x" }),
    /non-condition status fields must be empty/,
  );
  assert.match(says({ conditions: [condition("Denied"), condition("Failed")] }), /There may be at most one condition/);
  assert.match(
    says({ conditions: [{ ...condition("Odd"), status: "False" }] }),
    /conditions\[0\].type: .*conditions\[0\].status/,
  );
  assert.match(says({}, { conditions: [condition("Failed")] }), /immutable after PodCertificateRequest is issued/);
  assert.match(says({ certificateChain: "x" }), /status is immutable unless transitioning/);
  assert.match(says({ conditions: [condition("Issued")] }), /must contain at least one certificate/);
});
