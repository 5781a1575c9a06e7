// Plug-ins that tell logins: which are asked, how often, and what is refused.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fieldErrorBody } from "@skiff/api/errors.ts";
import type { Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { sampleMeta, samplePod } from "../../testing/sample-pods.ts";
import { CredentialProviders } from "./credential-providers.ts";
import { readAnswer } from "./exec-provider.ts";
import { readProviderConfigs } from "./provider-config.ts";
import { validateProvider } from "./validate-provider.ts";

const V1 = "credentialprovider.kubelet.k8s.io/v1";
const HEAD = { apiVersion: "kubelet.config.k8s.io/v1", kind: "CredentialProviderConfig" };
const signal = new AbortController().signal;
let dir = "";

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "skiff-providers-"));
  // Notes its input and answers with what its environment says.
  await writeFile(
    join(dir, "plug"),
    '#!/bin/sh\ncat >> "$NOTES"; echo >> "$NOTES"\nprintf %s "$ANSWER"\nexit "$CODE"\n',
    {
      mode: 0o755,
    },
  );
});
after(() => rm(dir, { recursive: true }));

interface Answer {
  readonly cacheKeyType?: string;
  readonly cacheDuration?: string;
  readonly auth?: Readonly<Record<string, object>>;
}

/** Of the account `robot`, if it is one of the account's. */
function podOf(name: string, account = "robot") {
  return samplePod({ serviceAccountName: account }, { name, uid: `uid-${name}` });
}

async function open(name: string, answer: Answer, more: object = {}, code = "0") {
  const notes = join(dir, `${name}.notes`);
  await writeFile(notes, "");
  const text = JSON.stringify({ apiVersion: V1, kind: "CredentialProviderResponse", cacheKeyType: "Image", ...answer });
  const env = Object.entries({ NOTES: notes, ANSWER: text, CODE: code }).map(([key, value]) => ({ name: key, value }));
  const matchImages = ["*.example.com/team"];
  const provider = { name: "plug", apiVersion: V1, matchImages, defaultCacheDuration: "1h", env, ...more };
  const config = join(dir, `${name}.json`);
  await writeFile(config, JSON.stringify({ ...HEAD, providers: [provider] }));
  let nowMs = 0;
  const clock = { ...realClock, monotonic: () => nowMs };
  const accounts = {
    annotations: { "example.com/role": "reader" } as Record<string, string>,
    uid: "u1",
    async read(namespace: string, account: string) {
      assert.deepEqual([namespace, account], ["default", "robot"]);
      return { metadata: { ...sampleMeta(account), uid: this.uid, annotations: this.annotations } };
    },
    token: async (pod: Pod, uid: string, audience: string) => `token of ${pod.metadata.name}, ${uid} for ${audience}`,
  };
  const metrics = new MetricsRegistry();
  const deps = { clock, log: silentLogger(), metrics, accounts };
  const providers = await CredentialProviders.open({ config, binDir: dir }, deps);
  const lines = async () => (await readFile(notes, "utf8")).split("\n").filter((line) => line !== "");
  return {
    accounts,
    metrics,
    ask: async (image: string) => (await providers.credentialsFor(image, podOf("any"), signal)).map(({ auth }) => auth),
    askFor: (pod: Pod, image = "a.example.com/team/x") => providers.credentialsFor(image, pod, signal),
    /** What the plug-in was told, run by run. */
    told: async () => (await lines()).map((line) => JSON.parse(line) as Record<string, unknown>),
    asked: async () => (await lines()).map((line) => JSON.parse(line).image as string),
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

const AUTH = {
  "*.example.com": { username: "u", password: "wide" },
  "a.example.com/team": { username: "u", password: "p" },
};

test("a plug-in is asked for images of its registries alone, by registry and repository, and the closest login comes first", async () => {
  const { ask, asked } = await open("match", { auth: AUTH });
  assert.deepEqual(await ask("b.example.org/team/x:1"), []);
  assert.deepEqual(await ask("a.example.com/other:1"), []);
  assert.deepEqual(await ask("a.example.com/team/x:1"), [
    { username: "u", password: "p" },
    { username: "u", password: "wide" },
  ]);
  assert.deepEqual(await ask("b.example.com/team/x"), [{ username: "u", password: "wide" }]);
  assert.deepEqual(await asked(), ["a.example.com/team/x", "b.example.com/team/x"]);
});

for (const [cacheKeyType, expected] of [
  ["Image", ["a.example.com/team/x", "a.example.com/team/y", "b.example.com/team/x"]],
  ["Registry", ["a.example.com/team/x", "b.example.com/team/x"]],
  ["Global", ["a.example.com/team/x"]],
] as const) {
  test(`answers are remembered per ${cacheKeyType} for their time`, async () => {
    const { ask, asked, advance } = await open(`cache-${cacheKeyType}`, {
      cacheKeyType,
      cacheDuration: "1m",
      auth: AUTH,
    });
    const images = ["a.example.com/team/x:1", "a.example.com/team/x:2", "a.example.com/team/y", "b.example.com/team/x"];
    await Promise.all([ask("a.example.com/team/x"), ask("a.example.com/team/x")]);
    for (const image of images) await ask(image);
    assert.deepEqual(await asked(), expected);
    advance(60_000);
    await ask("a.example.com/team/x");
    assert.equal((await asked()).length, expected.length + 1);
  });
}

test("an answer that holds for no time is asked for each time; one without a time holds as long as configured", async () => {
  const never = await open("never", { cacheDuration: "0s", auth: AUTH });
  const usual = await open("usual", { auth: AUTH });
  for (const { ask } of [never, usual, never, usual]) await ask("a.example.com/team/x");
  assert.deepEqual([(await never.asked()).length, (await usual.asked()).length], [2, 1]);
});

test("a plug-in that fails gives no logins and is asked again", async () => {
  const { ask, asked, metrics } = await open("fails", { auth: AUTH }, {}, "3");
  assert.deepEqual(await ask("a.example.com/team/x"), []);
  assert.deepEqual(await ask("a.example.com/team/x"), []);
  assert.equal((await asked()).length, 2);
  const text = metrics.render();
  assert.match(text, /^kubelet_credential_provider_plugin_errors_total\{plugin_name="plug"\} 2$/m);
  assert.match(text, /^kubelet_credential_provider_plugin_duration_count\{plugin_name="plug"\} 2$/m);
  assert.match(text, /^kubelet_credential_provider_config_info\{hash="sha256:[0-9a-f]{64}"\} 1$/m);
});

const ATTRIBUTES = {
  serviceAccountTokenAudience: "registry",
  cacheType: "ServiceAccount",
  requireServiceAccount: true,
  requiredServiceAccountAnnotationKeys: ["example.com/role"],
  optionalServiceAccountAnnotationKeys: ["example.com/zone"],
};

test("a plug-in that asks for it is told the account's token and annotations, and its answers hold for the account's pods", async () => {
  const { askFor, told, accounts } = await open("account", { auth: AUTH }, { tokenAttributes: ATTRIBUTES });
  const [login] = await askFor(podOf("a"));
  assert.deepEqual(login?.owner, { kind: "ServiceAccount", uid: "u1", namespace: "default", name: "robot" });
  await askFor(podOf("b"));
  const request = { kind: "CredentialProviderRequest", apiVersion: V1, image: "a.example.com/team/x" };
  const serviceAccountToken = "token of a, u1 for registry";
  const serviceAccountAnnotations = { "example.com/role": "reader" };
  assert.deepEqual(await told(), [{ ...request, serviceAccountToken, serviceAccountAnnotations }]);
  // Another value of an annotation, or an account made anew, is somebody else.
  accounts.annotations = { ...accounts.annotations, "example.com/zone": "z" };
  await askFor(podOf("a"));
  accounts.uid = "u2";
  await askFor(podOf("a"));
  assert.equal((await told()).length, 3);
});

test("answers for a token hold for that token alone", async () => {
  const tokenAttributes = { ...ATTRIBUTES, cacheType: "Token" };
  const auth = { "a.example.com": { username: "t", password: "token of a, u1 for registry" } };
  const { askFor, told } = await open("token", { cacheKeyType: "Global", auth }, { tokenAttributes });
  for (const name of ["a", "a", "b"]) assert.equal((await askFor(podOf(name))).length, 1);
  assert.equal((await told()).length, 2);
});

test("a token that comes back as the password is no login of the whole account", async () => {
  const auth = { "a.example.com": { username: "t", password: "token of a, u1 for registry" } };
  const { askFor, told } = await open("echo", { auth }, { tokenAttributes: ATTRIBUTES });
  assert.deepEqual(await askFor(podOf("a")), []);
  assert.equal((await told()).length, 1);
});

test("a plug-in is not asked for pods whose account is missing or lacks an annotation, unless it takes pods without", async () => {
  const strict = await open("strict", { auth: AUTH }, { tokenAttributes: ATTRIBUTES });
  assert.deepEqual(await strict.askFor(podOf("static", "")), []);
  strict.accounts.annotations = {};
  assert.deepEqual(await strict.askFor(podOf("a")), []);
  strict.accounts.read = async () => {
    throw new Error("the API is away");
  };
  assert.deepEqual(await strict.askFor(podOf("a")), []);
  assert.deepEqual(await strict.told(), []);
  const tokenAttributes = { ...ATTRIBUTES, requireServiceAccount: false, requiredServiceAccountAnnotationKeys: [] };
  const lax = await open("lax", { auth: AUTH }, { tokenAttributes });
  const [login] = await lax.askFor(podOf("static", ""));
  assert.equal(login?.owner, undefined);
  assert.deepEqual(Object.keys((await lax.told())[0] ?? {}), ["kind", "apiVersion", "image"]);
});

test("readAnswer refuses what is no answer without repeating it", () => {
  const answer = (fields: object) => JSON.stringify({ kind: "CredentialProviderResponse", apiVersion: V1, ...fields });
  const error = (text: string) => {
    try {
      readAnswer(text, V1);
      return "";
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  assert.equal(error("s3cret"), "failed to decode credential provider response: it is no JSON object");
  assert.match(error(answer({ kind: "Other" })), /unexpected kind "Other"/);
  assert.match(
    error(answer({ apiVersion: "v0" })),
    /did not match expected apiVersion:credentialprovider.*actual apiVersion:v0/,
  );
  assert.match(error(answer({ cacheKeyType: "Galaxy" })), /invalid cache key type from credential provider: "Galaxy"/);
});

test("readProviderConfigs says all that is wrong, and wants the program to be there", async () => {
  const file = join(dir, "bad.yaml");
  const refuse = async (providers: unknown, expected: RegExp, more: object = {}) => {
    await writeFile(file, JSON.stringify({ ...HEAD, providers, ...more }));
    await assert.rejects(readProviderConfigs(file, dir), expected);
  };
  const good = { name: "plug", apiVersion: V1, matchImages: ["a"], defaultCacheDuration: "1m" };
  await refuse([], /at least 1 item in plugins is required/);
  await refuse(
    [{}],
    /name is required.*apiVersion: Required value.*at least 1 item in matchImages.*defaultCacheDuration: Required value/,
  );
  await refuse(
    [{ ...good, name: "a/b", apiVersion: "v0", defaultCacheDuration: "-1s" }],
    /cannot contain '\/'.*Unsupported value: "v0".*greater than or equal to 0/,
  );
  await refuse([good, good], /duplicate provider name "plug" found in configuration file\(s\)/);
  await refuse([{ ...good, name: "absent" }], /plugin binary executable .*absent did not exist/);
  await refuse([good], /no kind "Other" is registered/, { kind: "Other" });
  await refuse([good], /unknown field "extra"/, { extra: 1 });
  await refuse([{ ...good, tokenAttributes: { x: 1 } }], /unknown field "providers\[0\].tokenAttributes.x"/);
  const old = { apiVersion: "kubelet.config.k8s.io/v1beta1" };
  await refuse([{ ...good, tokenAttributes: ATTRIBUTES }], /unknown field "providers\[0\].tokenAttributes"/, old);
});

test("validateProvider says in upstream's words what is wrong with tokenAttributes", () => {
  const good = { name: "p", apiVersion: V1, matchImages: ["a"], defaultCacheDuration: "1m" };
  const problems = (tokenAttributes: object, more: object = {}) =>
    validateProvider({ ...good, tokenAttributes, ...more }).map((one) => `${one.field}: ${fieldErrorBody(one)}`);
  const at = "providers.tokenAttributes";
  assert.deepEqual(problems(ATTRIBUTES), []);
  assert.deepEqual(problems({}), [
    `${at}.serviceAccountTokenAudience: Required value`,
    `${at}.requireServiceAccount: Required value`,
    `${at}.cacheType: Required value: cacheType is required to be set when tokenAttributes is specified. Supported values are: ServiceAccount, Token`,
  ]);
  assert.deepEqual(problems(ATTRIBUTES, { apiVersion: "credentialprovider.kubelet.k8s.io/v1beta1" }), [
    `${at}: Forbidden: tokenAttributes is only supported for credentialprovider.kubelet.k8s.io/v1 API version`,
  ]);
  const keys = { requiredServiceAccountAnnotationKeys: ["A", "A"], optionalServiceAccountAnnotationKeys: ["A"] };
  assert.deepEqual(problems({ ...ATTRIBUTES, ...keys, requireServiceAccount: false, cacheType: "Pod" }), [
    `${at}.requiredServiceAccountAnnotationKeys: Forbidden: requireServiceAccount cannot be false when requiredServiceAccountAnnotationKeys is set`,
    `${at}.requiredServiceAccountAnnotationKeys: Duplicate value: "A"`,
    `${at}: Invalid value: ["A"]: annotation keys cannot be both required and optional`,
    `${at}.cacheType: Unsupported value: "Pod": supported values: "ServiceAccount", "Token"`,
  ]);
  assert.match(
    problems({ ...ATTRIBUTES, requiredServiceAccountAnnotationKeys: ["a b"] })[0] ?? "",
    /Invalid value: "a b": name part must/,
  );
});
