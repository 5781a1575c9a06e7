// Ten thousand malformed requests: every one is answered within a second, none with a 5xx, and none leaves a trace.
import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import { after, before, test } from "node:test";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { junk, mutate, mutateValue, pick, sampleOf, seededRandom } from "../testing/fuzz-input.ts";
import { TestClient } from "../testing/test-client.ts";

const ROUNDS = 10_000;
const WORKERS = 16;
const MAX_MS = 1000;
const NAMESPACE = "fuzz";

let etcd: RealEtcd;
let server: RealApiServer;
let client: TestClient;
let agent: Agent;

before(async () => {
  etcd = await RealEtcd.start({ tls: true });
  server = await RealApiServer.start(etcd);
  client = new TestClient(server);
  const { ca, admin } = server.pki;
  agent = new Agent({ keepAlive: true, maxSockets: WORKERS, ca: ca.cert, cert: admin.cert, key: admin.key });
  await client.post("/api/v1/namespaces", { metadata: { name: NAMESPACE } });
  await client.post(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, { metadata: { name: "default" } });
  for (const [path, body] of TARGETS) {
    const made = await client.post(path.slice(0, path.lastIndexOf("/")), body);
    assert.equal(made.code, 201, made.text);
  }
});

after(async () => {
  agent?.destroy();
  client?.[Symbol.dispose]();
  await server?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

interface Attack {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
  readonly accept?: string;
}

const CORE = `/api/v1/namespaces/${NAMESPACE}`;
const APPS = `/apis/apps/v1/namespaces/${NAMESPACE}`;
const CONTAINER = { name: "c", image: "i", ports: [{ containerPort: 80 }], resources: { requests: { cpu: "1" } } };
const TEMPLATE = {
  metadata: { labels: { a: "b" } },
  spec: { containers: [CONTAINER], tolerations: [{ operator: "Exists" }] },
};

/** Objects that are there, and what they were made from. */
const TARGETS: readonly (readonly [string, object])[] = [
  [`${CORE}/pods/p`, { metadata: { name: "p", labels: { a: "b" }, annotations: { c: "d" } }, spec: TEMPLATE.spec }],
  [`${CORE}/configmaps/c`, { metadata: { name: "c" }, data: { a: "b" } }],
  [`${CORE}/services/s`, { metadata: { name: "s" }, spec: { selector: { a: "b" }, ports: [{ port: 80, name: "x" }] } }],
  [
    `${APPS}/deployments/d`,
    { metadata: { name: "d" }, spec: { replicas: 1, selector: { matchLabels: { a: "b" } }, template: TEMPLATE } },
  ],
];

const PATCH_TYPES = ["json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"];
const BODY_TYPES = ["json", "json", "json", "yaml", "vnd.kubernetes.protobuf", "cbor", ""];
const ACCEPTS = [
  "application/json",
  "application/json;as=Table;v=v1;g=meta.k8s.io",
  "application/yaml",
  "*/*;q=x",
  ";;,",
];

const ATTACKS: readonly ((random: () => number) => Attack)[] = [
  badBody,
  badBody,
  badBytes,
  badPatch,
  badPatch,
  badPatch,
  badListQuery,
  badListQuery,
  badContinue,
  badPath,
  badOptions,
];

/** A body that was mutated but may be valid still, so it is never meant to be stored. */
function badBody(random: () => number): Attack {
  const [path, body] = pick(TARGETS, random);
  const kind = pick(KINDS, random);
  const own = random() < 0.6;
  const collection = own ? path.slice(0, path.lastIndexOf("/")) : collectionOf(kind);
  const base = own
    ? body
    : { ...sampleOf(kind.model, random), apiVersion: undefined, kind: undefined, metadata: { name: "x" } };
  const isPut = own && random() < 0.3;
  const validation = pick(["", "&fieldValidation=Strict", "&fieldValidation=Ignore"], random);
  const target = isPut ? path : collection;
  const type = `application/${random() < 0.7 ? "json" : pick(BODY_TYPES, random)}`;
  return {
    method: isPut ? "PUT" : "POST",
    path: `${target}?dryRun=All${validation}`,
    body: broken(base, random),
    type,
  };
}

/** Mostly of good syntax, for what is not is refused before anything looks at it. */
function broken(base: object, random: () => number): string {
  return random() < 0.8 ? mutateValue(base, random) : mutate(JSON.stringify(base), random);
}

function collectionOf({ group, version, plural, namespaced }: (typeof KINDS)[number]): string {
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  return namespaced ? `${root}/namespaces/${NAMESPACE}/${plural}` : `${root}/${plural}`;
}

/** Bytes that no parser takes, sent in earnest. */
function badBytes(random: () => number): Attack {
  const path = collectionOf(pick(KINDS, random));
  const body = `{"metadata":{"name":"x"},"spec":${junk(random)}${pick(["{", "[1,", '"', "\u0000", "nul"], random)}`;
  return { method: "POST", path, body, type: `application/${pick(["json", "vnd.kubernetes.protobuf"], random)}` };
}

function badPatch(random: () => number): Attack {
  const [path, body] = pick(TARGETS, random);
  const type = pick(PATCH_TYPES, random);
  const pointer = pick(
    ["/spec/containers/0/image", "/metadata/labels/a", "/spec/-", "/data/x", "/~2", "", "/__proto__/x"],
    random,
  );
  const operation = {
    op: pick(["add", "remove", "replace", "move", "copy", "test"], random),
    path: pointer,
    value: body,
  };
  const base = type === "json-patch+json" ? [operation, { op: "test", path: "/kind", value: "Pod" }] : body;
  const subresource = pick(["", "", "/status", "/scale", "/ephemeralcontainers"], random);
  const query = type === "apply-patch+yaml" ? "&fieldManager=fuzz&force=true" : "";
  const text = broken(base, random);
  return { method: "PATCH", path: `${path}${subresource}?dryRun=All${query}`, body: text, type: `application/${type}` };
}

const SELECTORS = [
  "a=b",
  "a in (b,c)",
  "!a",
  "a notin (b)",
  "metadata.name=p",
  "spec.nodeName!=n",
  "status.phase=Running,a",
];

function badListQuery(random: () => number): Attack {
  const name = pick(
    [
      "labelSelector",
      "fieldSelector",
      "limit",
      "timeoutSeconds",
      "resourceVersionMatch",
      "watch",
      "pretty",
      "includeObject",
    ],
    random,
  );
  const value = random() < 0.5 ? junk(random) : mutate(pick(SELECTORS, random), random);
  const more = pick(
    [
      "",
      "&resourceVersion=abc",
      "&resourceVersion=-1",
      "&resourceVersionMatch=Exact",
      "&sendInitialEvents=true",
      "&limit=1",
    ],
    random,
  );
  const accept = pick(ACCEPTS, random);
  return { method: "GET", path: `${CORE}/pods?${name}=${encodeURIComponent(value.toWellFormed())}${more}`, accept };
}

function badContinue(random: () => number): Attack {
  const token = mutate('{"v":"meta.k8s.io/v1","rv":1,"start":"fuzz/p"}', random);
  const text = random() < 0.2 ? junk(random) : Buffer.from(token).toString("base64url");
  return { method: "GET", path: `${CORE}/pods?limit=1&continue=${encodeURIComponent(text.toWellFormed())}` };
}

function badPath(random: () => number): Attack {
  const part = () =>
    pick(
      [encodeURIComponent(junk(random).toWellFormed()), "%", "%zz", "..", "pods", "watch", "namespaces", ""],
      random,
    );
  const root = pick(["/api/v1", "/apis/apps/v1", "/apis", CORE, "", "/openapi", "/api/v1/watch"], random);
  const method = pick(["GET", "DELETE", "PUT", "POST", "PATCH", "OPTIONS", "HEAD"], random);
  return { method, path: `${root}/${part()}/${part()}?dryRun=All`, ...(method === "GET" ? {} : { body: "{}" }) };
}

function badOptions(random: () => number): Attack {
  const [path] = pick(TARGETS, random);
  const base = {
    kind: "DeleteOptions",
    gracePeriodSeconds: 1,
    preconditions: { uid: "none" },
    propagationPolicy: "Orphan",
  };
  return {
    method: "DELETE",
    path: `${path}?dryRun=All`,
    body: broken(base, random),
    type: "application/json",
  };
}

interface Outcome {
  readonly code: number;
  readonly ms: number;
  readonly text: string;
}

function send({ method, path, body, type, accept }: Attack): Promise<Outcome> {
  const start = performance.now();
  const headers = {
    ...(body === undefined
      ? {}
      : { "content-type": type ?? "application/json", "content-length": String(Buffer.byteLength(body)) }),
    ...(accept ? { accept } : {}),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${server.url}${path}`, { method, agent, headers }, (answer) => {
      const code = answer.statusCode ?? 0;
      const chunks: Buffer[] = [];
      const done = () =>
        resolve({ code, ms: performance.now() - start, text: Buffer.concat(chunks).toString().slice(0, 500) });
      // A watch that was let in would last.
      if (code === 200 && answer.headers["content-length"] === undefined) {
        outgoing.destroy();
        return done();
      }
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", done);
    });
    outgoing.setTimeout(10 * MAX_MS, () => outgoing.destroy(new Error("no answer")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** A machine that is busy with other things makes anything slow once; what hangs does so each time. */
async function patiently(attack: Attack): Promise<Outcome> {
  const outcome = await send(attack);
  return outcome.ms < MAX_MS ? outcome : send(attack);
}

/** Every object that a fuzzed request could have touched, with its version. */
async function everything(): Promise<string[]> {
  const found: string[] = [];
  for (const kind of KINDS) {
    // The server's own Services, Endpoints and Leases live elsewhere and move by themselves.
    const { body } = await client.get(collectionOf(kind));
    for (const { metadata } of body.items ?? []) {
      found.push(`${kind.plural} ${metadata.name} ${kind.namespaced ? metadata.resourceVersion : metadata.uid}`);
    }
  }
  return found.sort();
}

/** Where the server's unexpected errors came from, each place once. */
function loggedErrors(): string {
  const lines = server.log.split("\n").filter((line) => line.includes('"level":"error"') && line.endsWith("}"));
  const stacks = lines.map((line) => String(JSON.parse(line).err?.stack).split("\n").slice(0, 6).join("\n"));
  return [...new Set(stacks)].slice(0, 20).join("\n");
}

test("10,000 malformed requests: no 5xx, no crash, no hang, nothing stored", { timeout: 240_000 }, async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  // Made beforehand, so that a seed and a round tell the request whatever order the answers come in.
  const attacks = Array.from({ length: ROUNDS }, () => pick(ATTACKS, random)(random));
  const stored = await everything();
  const failures: string[] = [];
  const counts = new Map<number, number>();
  let next = 0;
  const worker = async () => {
    while (next < ROUNDS) {
      const round = next++;
      const attack = attacks[round] as Attack;
      const what = `seed ${seed}, round ${round}: ${JSON.stringify(attack).slice(0, 1500)}`;
      const { code, ms, text } = await patiently(attack).catch((error) => assert.fail(`${error.message}: ${what}`));
      if (code >= 500 || ms >= MAX_MS) failures.push(`${code} after ${Math.round(ms)} ms ${text} for ${what}`);
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  assert.equal(failures.length, 0, `${failures.slice(0, 5).join("\n")}\n${loggedErrors()}`);
  t.diagnostic(
    [...counts]
      .sort()
      .map(([code, count]) => `${code}: ${count}`)
      .join(", "),
  );
  assert.deepEqual(await everything(), stored);
  assert.equal((await client.get("/readyz")).code, 200);
  assert.equal(({} as { a?: unknown }).a, undefined);
});
