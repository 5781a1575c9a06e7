// Reviews and token requests through their handlers.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import { nodes, pods, serviceAccounts } from "@skiff/api/resource-ref.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { decodeJwt } from "jose";
import type { AdmissionRequest } from "../admission/admission.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import type { Answer, RequestContext } from "../http/endpoint.ts";
import { createAccessReviewHandlers } from "./access-reviews.ts";
import { rulesStatus } from "./self-reviews.ts";
import { createTokenRequestHandler } from "./token-request.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers are walked by path here
type Loose = any;

const ISSUER = "https://issuer";

function context(body: object, info: object = {}): RequestContext {
  return {
    info: { verb: "create", namespace: "ns", name: "sa", group: "", resource: "x", ...info },
    user: { name: "alice", groups: ["devs"], extra: {} },
    query: new URLSearchParams(),
    raw: { headers: {} },
    signal: new AbortController().signal,
    warn() {},
    annotate() {},
    readBody: async () => body,
  } as unknown as RequestContext;
}

function objectOf(answer: Answer): Loose {
  assert.ok("object" in answer);
  assert.equal(answer.code, 201);
  return answer.object;
}

function tokens(reader: MemoryReader, seen: AdmissionRequest[] = []) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return createTokenRequestHandler({
    signingKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    issuer: ISSUER,
    apiAudiences: [],
    reader,
    admission: [{ name: "spy", admit: (request) => void seen.push(request) }],
    kind: findKind("", "serviceaccounts") as KindDefinition,
    clock: { ...realClock, now: () => 1_000_000 },
  });
}

test("createTokenRequestHandler binds a token to pod and node and lets an injected one live a year", async () => {
  const reader = new MemoryReader();
  const seen: AdmissionRequest[] = [];
  reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
  reader.put(nodes, { metadata: { name: "n1" }, spec: {} });
  const spec = { containers: [], serviceAccountName: "sa", nodeName: "n1" };
  reader.put(pods, { metadata: { name: "p", namespace: "ns" }, spec });
  const boundObjectRef = { apiVersion: "v1", kind: "Pod", name: "p", uid: "uid-p" };
  const answer = await tokens(reader, seen).handle(context({ spec: { expirationSeconds: 3607, boundObjectRef } }));
  const claims: Loose = decodeJwt(objectOf(answer).status.token);
  assert.equal(claims.sub, "system:serviceaccount:ns:sa");
  assert.deepEqual(claims["kubernetes.io"].pod, { name: "p", uid: "uid-p" });
  assert.deepEqual(claims["kubernetes.io"].node, { name: "n1", uid: "uid-n1" });
  assert.equal(claims["kubernetes.io"].warnafter, 1000 + 3607);
  assert.equal(claims.exp, 1000 + 365 * 24 * 3600);
  assert.equal(objectOf(answer).status.expirationTimestamp, "1970-01-01T01:16:47Z");
  assert.deepEqual([seen[0]?.subresource, seen[0]?.name], ["token", "sa"]);
});

test("createTokenRequestHandler refuses short tokens, other accounts' pods and unknown accounts", async () => {
  const reader = new MemoryReader();
  const ask = (spec: object, metadata: object = {}) => tokens(reader).handle(context({ metadata, spec }));
  await assert.rejects(ask({}), { code: 404, message: 'serviceaccounts "sa" not found' });
  reader.put(serviceAccounts, { metadata: { name: "sa", namespace: "ns" } });
  await assert.rejects(ask({ expirationSeconds: 599 }), /may not specify a duration less than 10 minutes/);
  reader.put(pods, { metadata: { name: "p", namespace: "ns" }, spec: { containers: [], serviceAccountName: "other" } });
  const pod = { apiVersion: "v1", kind: "Pod", name: "p" };
  await assert.rejects(
    ask({ boundObjectRef: pod }),
    /cannot bind token for serviceaccount "sa" to pod running with different/,
  );
  reader.put(pods, { metadata: { name: "p", namespace: "ns" }, spec: { containers: [], serviceAccountName: "sa" } });
  await assert.rejects(ask({ boundObjectRef: { ...pod, uid: "old" } }), { code: 409 });
  const { uid } = (await reader.getLatest(serviceAccounts, "ns", "sa"))?.metadata ?? {};
  await ask({}, { uid });
  await assert.rejects(ask({}, { uid: "earlier" }), {
    code: 409,
    message: `Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "sa": the UID in the token request (earlier) does not match the UID of the service account (${uid})`,
  });
  await assert.rejects(ask({ boundObjectRef: { ...pod, kind: "Job" } }), /cannot bind token to object of type/);
});

test("createAccessReviewHandlers asks the authorizer for the user of the review or of the request", async () => {
  const authorizer: Authorizer = {
    name: "bob only",
    authorize: ({ user, resource }) =>
      user.name === "bob" && resource === "pods"
        ? { verdict: "allow", reason: "is bob" }
        : { verdict: "no-opinion", reason: "" },
  };
  const handlers = createAccessReviewHandlers(authorizer);
  const ask = async (resource: string, spec: object) => {
    const handler = handlers.find((candidate) => candidate.resource === resource);
    assert.ok(handler);
    return objectOf(await handler.handle(context({ spec }))).status;
  };
  const resourceAttributes = { resource: "pods", verb: "get", namespace: "ns" };
  assert.deepEqual(await ask("subjectaccessreviews", { user: "bob", resourceAttributes }), {
    allowed: true,
    reason: "is bob",
  });
  assert.deepEqual(await ask("selfsubjectaccessreviews", { resourceAttributes }), { allowed: false });
  assert.equal((await ask("localsubjectaccessreviews", { user: "bob", resourceAttributes })).allowed, true);
  const foreign = { user: "bob", resourceAttributes: { ...resourceAttributes, namespace: "other" } };
  await assert.rejects(ask("localsubjectaccessreviews", foreign), { code: 400 });
  await assert.rejects(
    ask("subjectaccessreviews", { resourceAttributes }),
    /at least one of user or group must be specified/,
  );
  await assert.rejects(
    ask("subjectaccessreviews", { user: "bob" }),
    /exactly one of nonResourceAttributes or resourceAttributes/,
  );
});

test("rulesStatus keeps rules about resources and about paths apart", () => {
  const rules = [{ apiGroups: [""], resources: ["pods"], nonResourceURLs: ["/x"], verbs: ["get"] }];
  assert.deepEqual(rulesStatus({ rules, errors: [] }), {
    resourceRules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }],
    nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/x"] }],
    incomplete: false,
  });
});

test("reviews cannot be shown as a table", async () => {
  const raw = { headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" } };
  const asked = { ...context({ spec: {} }), raw } as unknown as RequestContext;
  const nobody: Authorizer = { name: "n", authorize: () => ({ verdict: "no-opinion", reason: "" }) };
  const handlers = createAccessReviewHandlers(nobody);
  for (const handler of handlers) await assert.rejects(handler.handle(asked), { code: 406 }, handler.resource);
});
