import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Secret } from "@skiff/api/types.ts";
import { sampleMeta } from "../testing/sample-pods.ts";
import { parseImageReference, withDefaultTag } from "./image-reference.ts";
import { sizeClass } from "./image-size.ts";
import { NodeLogins } from "./node-logins.ts";
import { credentialsFor } from "./pull-secrets.ts";

test("withDefaultTag completes names and keeps tags and digests", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  assert.equal(withDefaultTag("nginx"), "nginx:latest");
  assert.equal(withDefaultTag("localhost:5000/x"), "localhost:5000/x:latest");
  assert.equal(withDefaultTag("nginx:1.2"), "nginx:1.2");
  assert.equal(withDefaultTag(`nginx@${digest}`), `nginx@${digest}`);
});

test("parseImageReference finds the registry as Docker does", () => {
  const where = (text: string) => {
    const { registry, repository } = parseImageReference(text);
    return `${registry} ${repository}`;
  };
  assert.equal(where("nginx"), "docker.io library/nginx");
  assert.equal(where("me/app:1"), "docker.io me/app");
  assert.equal(where("localhost/app"), "localhost app");
  assert.equal(where("registry.example.com:5000/a/b"), "registry.example.com:5000 a/b");
});

test("parseImageReference refuses malformed names in the words of upstream's parser", () => {
  for (const text of ["", "a b", "Bad:::x", "x:", "-x", "x@sha256:12", "a//b", "x:t:u"]) {
    assert.throws(() => parseImageReference(text), /^Error: invalid reference format/, text);
  }
  assert.throws(() => parseImageReference("Nginx"), /repository name must be lowercase/);
});

function secret(auths: object): Secret {
  const data = { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") };
  return { metadata: sampleMeta("s"), type: "kubernetes.io/dockerconfigjson", data };
}

test("credentialsFor takes the most specific login of those that match", () => {
  const auth = Buffer.from("u:p:w").toString("base64");
  const logins = secret({
    "https://registry.example.com/v1/": { auth },
    "registry.example.com/team": { username: "t", password: "x" },
    "*.example.com": { username: "glob", password: "x" },
    "other.io": { username: "no", password: "x" },
  });
  const users = credentialsFor("registry.example.com/team/app:1", [logins]).map(({ auth }) => auth.username);
  assert.deepEqual(users, ["t", "u", "glob"]);
  assert.equal(credentialsFor("registry.example.com/x", [logins])[0]?.auth.password, "p:w");
  const hub = secret({ "https://index.docker.io/v1/": { auth } });
  assert.equal(credentialsFor("nginx", [hub])[0]?.auth.username, "u");
  const broken: Secret = { metadata: sampleMeta("b"), data: { ".dockerconfigjson": "!" } };
  assert.deepEqual(credentialsFor("nginx", [broken]), []);
});

test("NodeLogins takes Docker's files from the first place that has one, and reads them anew", async () => {
  const dir = await mkdtemp(join(tmpdir(), "skiff-logins-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(dir, { recursive: true }));
  const logins = new NodeLogins(join(dir, "none"), dir, join(dir, "none"), join(dir, "none"));
  const users = async (image: string) => (await logins.credentialsFor(image)).map(({ auth }) => auth.username);
  const auth = (login: string) => ({ auth: Buffer.from(login).toString("base64") });
  assert.deepEqual(await users("gcr.io/a/b:1"), []);
  await writeFile(join(dir, ".dockercfg"), JSON.stringify({ "gcr.io": auth("old:p") }));
  assert.deepEqual(await users("gcr.io/a/b:1"), ["old"]);
  await writeFile(join(dir, "config.json"), "{");
  assert.deepEqual(await users("gcr.io/a/b:1"), ["old"]);
  await writeFile(join(dir, "config.json"), JSON.stringify({ auths: { "https://gcr.io": auth("new:p") } }));
  assert.deepEqual(await users("gcr.io/a/b:1"), ["new"]);
  assert.deepEqual(await users("quay.io/a/b:1"), []);
});

test("sizeClass is upstream's bucket", () => {
  const sizes = [0, 1, 10 * 1024 ** 2 - 1, 10 * 1024 ** 2, 1024 ** 3, 200 * 1024 ** 3];
  assert.deepEqual(sizes.map(sizeClass), ["N/A", "0-10MB", "0-10MB", "10MB-100MB", "1GB-5GB", "GT100GB"]);
});
