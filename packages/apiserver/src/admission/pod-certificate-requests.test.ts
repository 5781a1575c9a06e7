// Requests for pods' certificates: whose key counts, who may answer, and with what.
import assert from "node:assert/strict";
import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import { podCertificateRequestKind } from "@skiff/api/kinds/pod-certificate-request/pod-certificate-request.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { Node, Pod, ServiceAccount, V1beta1PodCertificateRequest } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import {
  derOf,
  makeCertificateRequest,
  parseCertificateRequest,
} from "@skiff/component-base/x509/certificate-request.ts";
import { selfSignedCertificate } from "@skiff/component-base/x509/issue-certificate.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionRequest } from "./admission.ts";
import { createNodeRestriction } from "./node-restriction.ts";
import { createPodCertificateCheck } from "./pod-certificate-requests.ts";

const { signal } = new AbortController();
const NOW = Date.UTC(2026, 0, 1);
const KIND = findKind("certificates.k8s.io", "podcertificaterequests") as KindDefinition;
const KEY = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const PEM = makeCertificateRequest({ commonName: "", organizations: [] }, KEY);
const STUB = (derOf("CERTIFICATE REQUEST", PEM) ?? Buffer.of()).toString("base64");

type Request = V1beta1PodCertificateRequest;

function ask(spec: Partial<Request["spec"]> = {}, status: Request["status"] = {}): Request {
  const identity = { podName: "web", podUID: "p", serviceAccountName: "robot", serviceAccountUID: "s" };
  const place = { nodeName: "n1", nodeUID: "n", signerName: "a.io/b", maxExpirationSeconds: 86_400 };
  const metadata = { name: "r", namespace: "default", uid: "", resourceVersion: "", creationTimestamp: "" };
  return { metadata, spec: { ...identity, ...place, stubPKCS10Request: STUB, ...spec }, status };
}

function write(next: Request, previous?: Request, user = "alice", groups: string[] = []): AdmissionRequest {
  return {
    operation: previous ? "UPDATE" : "CREATE",
    kind: KIND,
    subresource: previous ? "status" : "",
    namespace: "default",
    name: "r",
    object: next,
    oldObject: previous,
    user: { name: user, groups, extra: {} },
    dryRun: false,
    warn() {},
  };
}

function check(right = ""): ReturnType<typeof createPodCertificateCheck> {
  const authorizer: Authorizer = {
    name: "test",
    authorize: ({ verb, resource, name }) => ({
      verdict: `${verb} ${resource} ${name}` === right ? "allow" : "no-opinion",
      reason: "",
    }),
  };
  return createPodCertificateCheck(authorizer, { now: () => NOW });
}

/** As kubelets before 1.36 give their key. */
function older(privateKey: KeyObject, proof: Buffer): Partial<Request["spec"]> {
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return { stubPKCS10Request: "", pkixPublicKey: der.toString("base64"), proofOfPossession: proof.toString("base64") };
}

test("a request proves that its writer holds the key, in either way", async () => {
  const take = async (spec: Partial<Request["spec"]> = {}) => check().validate?.(write(ask(spec)), signal);
  await take();
  const broken = Buffer.from(STUB, "base64");
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  await assert.rejects(take({ stubPKCS10Request: broken.toString("base64") }), { code: 422 });
  await assert.rejects(take({ stubPKCS10Request: "AAAA" }), /must be a valid certificate signing request/);
  await take(older(KEY, sign("sha256", Buffer.from("p"), KEY)));
  await assert.rejects(take(older(KEY, sign("sha256", Buffer.from("q"), KEY))), /could not verify proof-of-possession/);
  const edwards = generateKeyPairSync("ed25519").privateKey;
  await take(older(edwards, sign(null, Buffer.from("p"), edwards)));
  const rsa = generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey;
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  await take(older(rsa, sign("sha256", Buffer.from("p"), { key: rsa, padding })));
  await assert.rejects(take(older(rsa, sign("sha256", Buffer.from("p"), rsa))), { code: 422 });
  const small = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const short = older(small, sign("sha256", Buffer.from("p"), { key: small, padding }));
  await assert.rejects(take(short), /RSA keys must have modulus size 3072 or 4096/);
  const odd = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
  await assert.rejects(take(older(odd, sign("sha256", Buffer.from("p"), odd))), /must use curve P256, P384 or P521/);
});

const HOUR_MS = 3_600_000;

function issued(key: KeyObject, fromMs = NOW, lifeMs = HOUR_MS, more: object = {}): Request["status"] {
  const request = parseCertificateRequest(makeCertificateRequest({ commonName: "x", organizations: [] }, key));
  const terms = { usages: ["client auth"], notBeforeMs: fromMs, notAfterMs: fromMs + lifeMs };
  const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
  const [notBefore, beginRefreshAt, notAfter] = [fromMs, fromMs + lifeMs / 2, fromMs + lifeMs].map(formatTime);
  const conditions = [{ type: "Issued", status: "True", reason: "Signed", message: "", lastTransitionTime: "t" }];
  const certificateChain = selfSignedCertificate(pem, request, terms);
  return { certificateChain, conditions, notBefore, beginRefreshAt, notAfter, ...more };
}

test("only the signer answers, with a certificate for the key that was asked for", async () => {
  const answer = async (status: Request["status"], right = "sign signers a.io/b") =>
    check(right).validate?.(write(ask({}, status), ask()), signal);
  await answer(issued(KEY));
  await answer(issued(KEY), "sign signers a.io/*");
  await assert.rejects(answer(issued(KEY), "sign signers a.io/c"), {
    code: 422,
    message: /User "alice" is not permitted to "sign" for signer "a.io\/b"/,
  });
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  await assert.rejects(answer(issued(other)), /leaf certificate was not issued to the requested public key/);
  await assert.rejects(answer(issued(KEY, NOW - 301_000)), /within 5 minutes of kube-apiserver's current time/);
});

test("what is said of a certificate must be true of it", () => {
  const says = (status: Request["status"]) => {
    const errors = podCertificateRequestKind.status?.validateUpdate(ask({}, status), ask()) ?? [];
    return errors.map(({ field, detail }) => `${field}: ${detail}`).join("; ");
  };
  assert.equal(says(issued(KEY)), "");
  assert.match(says(issued(KEY, NOW, HOUR_MS, { notBefore: undefined })), /status.notBefore: must be present/);
  const [early, late] = [NOW + 1000, NOW + HOUR_MS - 1000].map(formatTime);
  assert.match(says(issued(KEY, NOW, HOUR_MS, { notBefore: early })), /NotBefore time encoded in the leaf/);
  assert.match(says(issued(KEY, NOW, HOUR_MS, { notAfter: early })), /NotAfter time encoded in the leaf/);
  assert.match(says(issued(KEY, NOW, HOUR_MS / 2)), /lifetime must be >= 1 hour/);
  assert.match(says(issued(KEY, NOW, 25 * HOUR_MS)), /lifetime must be <= spec.maxExpirationSeconds \(86400\)/);
  assert.match(says(issued(KEY, NOW, HOUR_MS, { beginRefreshAt: early })), /at least 10 minutes after/);
  assert.match(says(issued(KEY, NOW, HOUR_MS, { beginRefreshAt: late })), /at least 10 minutes before/);
});

test("a node asks for its own pods alone, as they are", async () => {
  const objects: Record<string, unknown> = {
    nodes: { metadata: { name: "n1", uid: "n" } } satisfies Partial<Record<keyof Node, unknown>>,
    pods: {
      metadata: { name: "web", uid: "p" },
      spec: { nodeName: "n1", serviceAccountName: "robot" },
    } as Partial<Pod>,
    serviceaccounts: { metadata: { name: "robot", uid: "s" } } satisfies Partial<Record<keyof ServiceAccount, unknown>>,
  };
  const find = <T extends KubeObject>({ plural }: ResourceRef<T>) => objects[plural] as Readonly<T> | undefined;
  const observe = () => ({ [Symbol.dispose]: () => {} });
  const reader: ObjectReader = { get: find, list: () => [], getLatest: async (ref) => find(ref), observe };
  const plugin = createNodeRestriction(reader, {
    name: "nobody",
    authorize: () => ({ verdict: "no-opinion", reason: "" }),
  });
  const create = async (spec: Partial<Request["spec"]> = {}) =>
    plugin.admit?.(write(ask(spec), undefined, "system:node:n1", ["system:nodes"]), signal);
  await create();
  await assert.rejects(create({ nodeName: "n2" }), /Spec.NodeName="n2", which is not the requesting node "n1"/);
  await assert.rejects(create({ nodeUID: "x" }), /names node UID "x", inconsistent with the running node \("n"\)/);
  await assert.rejects(create({ podUID: "x" }), /contains pod UID \("x"\) which differs from running pod "p"/);
  await assert.rejects(create({ serviceAccountName: "other" }), /serviceAccountName \("other"\) that differs/);
  await assert.rejects(create({ serviceAccountUID: "x" }), /names service account UID "x", which differs/);
  const user = ["system:node:n1", ["system:nodes"]] as const;
  const status = write(ask(), ask(), user[0], [...user[1]]);
  await assert.rejects(async () => plugin.admit?.(status, signal), /unexpected operation/);
  const { metadata } = objects.pods as Pod;
  objects.pods = {
    metadata: { ...metadata, annotations: { "kubernetes.io/config.mirror": "x" } },
    spec: { nodeName: "n1" },
  };
  await assert.rejects(create(), /is a mirror pod/);
  objects.pods = { metadata, spec: { nodeName: "n2" } };
  await assert.rejects(create(), /is not running on node "n1"/);
});
