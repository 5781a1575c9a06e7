// Who is let in, what is asked, and how long answers hold.
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { DelegatedAuth, type DelegatedAuthOptions } from "./delegated-auth.ts";
import type { RestClient, RestRequest } from "./rest-client.ts";

const { signal } = new AbortController();
const attributes = { nonResourceAttributes: { path: "/metrics", verb: "get" } };

function make(anonymous = true, more: DelegatedAuthOptions = {}) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const client = {
    request: async ({ path, body }: RestRequest) => {
      const { spec } = body as { spec: { token?: string; user?: string } };
      asked.push(path);
      if (spec.token !== undefined) {
        const authenticated = spec.token === "good";
        return { status: 201, headers: {}, body: { status: { authenticated, user: { username: "sa", groups: [] } } } };
      }
      return { status: 201, headers: {}, body: { status: { allowed: spec.user === "sa", reason: "no role" } } };
    },
  } satisfies Pick<RestClient, "request">;
  return { clock, asked, auth: new DelegatedAuth(client, { anonymous, ...more }, { clock, log: silentLogger() }) };
}

test("delegated auth asks about a token and a permission once, until its answers are old", async () => {
  const { clock, asked, auth } = make();
  for (let i = 0; i < 3; i++) {
    const verdict = await auth.authorize({ bearerToken: "good", attributes }, signal);
    assert.equal(verdict.status, 200);
  }
  assert.deepEqual(asked, [
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
  ]);
  await clock.advance(300_001);
  await auth.authorize({ bearerToken: "good", attributes }, signal);
  assert.equal(asked.length, 4);
});

test("delegated auth tells 401 from 403, and lets masters in without asking", async () => {
  const { asked, auth } = make();
  assert.equal((await auth.authorize({ bearerToken: "bad", attributes }, signal)).status, 401);
  assert.equal((await auth.authorize({ attributes }, signal)).status, 403);
  const node = { subject: { CN: "system:node:n1", O: "system:nodes" } };
  const denied = await auth.authorize({ certificate: node, attributes }, signal);
  assert.deepEqual(denied, {
    status: 403,
    user: { username: "system:node:n1", groups: ["system:nodes", "system:authenticated"] },
    reason: "no role",
  });
  const before = asked.length;
  const admin = { subject: { CN: "admin", O: ["system:masters"] } };
  assert.equal((await auth.authorize({ certificate: admin, attributes }, signal)).status, 200);
  assert.equal(asked.length, before);
});

test("delegated auth turns nameless callers away where anonymous access is off", async () => {
  const { asked, auth } = make(false);
  assert.equal((await auth.authorize({ attributes }, signal)).status, 401);
  assert.equal(asked.length, 0);
});

test("delegated auth that allows all asks for nobody's permission, but still wants to know who it is", async () => {
  const { asked, auth } = make(false, { allowsAll: true });
  assert.equal((await auth.authorize({ attributes }, signal)).status, 401);
  assert.equal((await auth.authorize({ bearerToken: "bad", attributes }, signal)).status, 401);
  const somebody = { subject: { CN: "somebody" } };
  assert.equal((await auth.authorize({ certificate: somebody, attributes }, signal)).status, 200);
  assert.equal(asked.filter((path) => path.includes("subjectaccess")).length, 0);
  const open = make(true, { allowsAll: true });
  assert.equal((await open.auth.authorize({ attributes }, signal)).status, 200);
});

test("delegated auth without token reviews takes whoever has only a token for nobody", async () => {
  const closed = make(false, { reviewsTokens: false });
  assert.equal((await closed.auth.authorize({ bearerToken: "good", attributes }, signal)).status, 401);
  const { asked, auth } = make(true, { reviewsTokens: false });
  const verdict = await auth.authorize({ bearerToken: "good", attributes }, signal);
  assert.deepEqual([verdict.status, "user" in verdict && verdict.user.username], [403, "system:anonymous"]);
  assert.deepEqual(asked, ["/apis/authorization.k8s.io/v1/subjectaccessreviews"]);
});
