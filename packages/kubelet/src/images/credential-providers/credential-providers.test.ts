// Plug-ins that tell logins: which are asked, how often, and what is refused.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { CredentialProviders } from "./credential-providers.ts";
import { readAnswer } from "./exec-provider.ts";
import { readProviderConfigs } from "./provider-config.ts";

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
  const providers = await CredentialProviders.open({ config, binDir: dir }, { clock, log: silentLogger() });
  return {
    ask: (image: string) => providers.credentialsFor(image, signal),
    asked: async () =>
      (await readFile(notes, "utf8")).split("\n").flatMap((line) => (line ? [JSON.parse(line).image as string] : [])),
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
  const { ask, asked } = await open("fails", { auth: AUTH }, {}, "3");
  assert.deepEqual(await ask("a.example.com/team/x"), []);
  assert.deepEqual(await ask("a.example.com/team/x"), []);
  assert.equal((await asked()).length, 2);
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
    /name is required.*apiVersion is required.*at least 1 item in matchImages.*defaultCacheDuration is required/,
  );
  await refuse(
    [{ ...good, name: "a/b", apiVersion: "v0", defaultCacheDuration: "-1s" }],
    /cannot be a path.*Unsupported value: "v0".*greater than or equal to 0/,
  );
  await refuse([good, good], /Duplicate value: "plug"/);
  await refuse([{ ...good, tokenAttributes: {} }], /tokenAttributes is not supported by this kubelet/);
  await refuse([{ ...good, name: "absent" }], /plugin binary executable .*absent did not exist/);
  await refuse([good], /no kind "Other" is registered/, { kind: "Other" });
  await refuse([good], /unknown field "extra"/, { extra: 1 });
});
