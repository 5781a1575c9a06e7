import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ConfigMap, Container, ResourceRequirements, Secret, Service } from "@skiff/api/types.ts";
import { sampleContainer, sampleMeta, samplePod } from "../testing/sample-pods.ts";
import { formatMap } from "./field-ref.ts";
import { ContainerConfigError, makeEnv } from "./make-env.ts";

const CONFIG: ConfigMap = {
  metadata: sampleMeta("cfg"),
  data: { a: "from-config", "bad=key": "x" },
};
const SECRET: Secret = {
  metadata: sampleMeta("sec"),
  data: { pw: Buffer.from("s3cret").toString("base64") },
};

function service(name: string, namespace: string, clusterIP: string): Service {
  return {
    metadata: sampleMeta(name, namespace),
    spec: { clusterIP, ports: [{ name: "http", port: 80, protocol: "TCP" }] },
  };
}

async function envOf(
  container: Partial<Container>,
  options: { links?: boolean; skipped?: string[]; resources?: ResourceRequirements; files?: string } = {},
) {
  const { links = false, resources } = options;
  const spec = { enableServiceLinks: links, ...(resources ? { resources } : {}) };
  const pod = samplePod(spec, { labels: { app: "web" } });
  const env = await makeEnv({
    pod,
    container: sampleContainer("c", container),
    facts: {
      podIps: ["10.0.0.5"],
      hostIps: ["192.0.2.1"],
      nodeName: "n1",
      allocatable: { cpu: "2", memory: "4Gi" },
    },
    objects: {
      configMap: async (_, name) => (name === "cfg" ? CONFIG : undefined),
      secret: async (_, name) => (name === "sec" ? SECRET : undefined),
    },
    services: [service("my-db", "default", "10.96.0.9"), service("kubernetes", "default", "10.96.0.1")],
    mounted: new Map([["files", options.files ?? "/nowhere"]]),
    signal: new AbortController().signal,
    onSkippedKeys: (message) => options.skipped?.push(message),
  });
  return Object.fromEntries(env);
}

test("makeEnv reads every kind of source, later ones over earlier ones", async () => {
  const skipped: string[] = [];
  const env = await envOf(
    {
      resources: { requests: { cpu: "250m" }, limits: { memory: "64Mi" } },
      envFrom: [{ configMapRef: { name: "cfg" }, prefix: "P_" }],
      env: [
        { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "LABEL", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
        { name: "CPU", valueFrom: { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } } },
        { name: "CPU_LIMIT", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
        { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
        { name: "PW", valueFrom: { secretKeyRef: { name: "sec", key: "pw" } } },
        { name: "P_a", value: "over $(P_a)" },
        { name: "URL", value: "http://$(KUBERNETES_SERVICE_HOST)/$(NAME)/$(LATER)" },
        { name: "LATER", value: "x" },
      ],
    },
    { skipped },
  );
  assert.equal(env.NAME, "web");
  assert.equal(env.LABEL, "web");
  assert.equal(env.IP, "10.0.0.5");
  assert.equal(env.CPU, "250");
  assert.equal(env.CPU_LIMIT, "2");
  assert.equal(env.MEMORY, "64");
  assert.equal(env.PW, "s3cret");
  assert.equal(env.P_a, "over from-config");
  assert.equal(env.URL, "http://10.96.0.1/web/$(LATER)");
  assert.match(skipped[0] ?? "", /^Keys \[bad=key\] from the EnvFrom configMap default\/cfg were skipped/);
});

test("makeEnv tells a container without limits those of its pod, and where that has none the node's amounts", async () => {
  const env = [
    { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
    { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
  ];
  const { CPU, MEMORY } = await envOf({ env }, { resources: { limits: { memory: "512Mi" } } });
  assert.deepEqual([CPU, MEMORY], ["2000", "512"]);
});

test("makeEnv names Services of the namespace only where links are wanted", async () => {
  const without = await envOf({});
  assert.equal(without.MY_DB_SERVICE_HOST, undefined);
  assert.equal(without.KUBERNETES_SERVICE_PORT, "80");
  const env = await envOf({}, { links: true });
  assert.equal(env.MY_DB_SERVICE_HOST, "10.96.0.9");
  assert.equal(env.MY_DB_SERVICE_PORT_HTTP, "80");
  assert.equal(env.MY_DB_PORT_80_TCP, "tcp://10.96.0.9:80");
  assert.equal(env.MY_DB_PORT_80_TCP_ADDR, "10.96.0.9");
});

test("makeEnv says in upstream's words what is missing, unless it is optional", async () => {
  const key = (name: string, wanted: string, optional = false) =>
    envOf({ env: [{ name: "X", valueFrom: { configMapKeyRef: { name, key: wanted, optional } } }] });
  await assert.rejects(key("nope", "a"), new ContainerConfigError('configmap "nope" not found'));
  await assert.rejects(key("cfg", "z"), new ContainerConfigError("couldn't find key z in ConfigMap default/cfg"));
  assert.equal((await key("nope", "a", true)).X, undefined);
  await assert.rejects(envOf({ envFrom: [{ secretRef: { name: "nope" } }] }), /secret "nope" not found/);
});

test("formatMap sorts and quotes as Go does", () => {
  assert.equal(formatMap({ b: 'say "x"\n', a: "1" }), 'a="1"\nb="say \\"x\\"\\n"');
});

test("makeEnv refuses variables that double one another, and an object taken a thousand times", async () => {
  const doubling = Array.from({ length: 40 }, (_, index) => {
    return { name: `V${index}`, value: index === 0 ? "0123456789" : `$(V${index - 1})$(V${index - 1})` };
  });
  const tooLong = /^the environment up to variable V2\d has more than 16777216 characters$/;
  await assert.rejects(envOf({ env: doubling }), (error) => {
    return error instanceof ContainerConfigError && tooLong.test(error.message);
  });
  const long = [{ name: "A", value: "x".repeat(10_000) }];
  const copies = Array.from({ length: 2000 }, (_, index) => ({ name: `C${index}`, value: "$(A)" }));
  await assert.rejects(envOf({ env: [...long, ...copies] }), ContainerConfigError);
});

test("makeEnv takes variables from files of volumes, with upstream's words for those that are not there", async () => {
  const files = await mkdtemp(join(tmpdir(), "skiff-env-"));
  try {
    await writeFile(join(files, "a.env"), "# made\nHOST='db'\nEMPTY=''\n");
    await writeFile(join(files, "bad.env"), "HOST=db\n");
    const from = (key: string, more: object = {}) => {
      const fileKeyRef = { volumeName: "files", path: "a.env", key, ...more };
      return envOf({ env: [{ name: "V", valueFrom: { fileKeyRef } }] }, { files });
    };
    assert.equal((await from("HOST")).V, "db");
    assert.equal((await from("NONE", { optional: true })).V, undefined);
    const refused: [() => Promise<unknown>, string][] = [
      [() => from("NONE"), 'environment variable key "NONE" not found in file'],
      [() => from("EMPTY"), 'environment variable key "EMPTY" not found in file'],
      [() => from("HOST", { path: "bad.env" }), "couldn't parse env file"],
      [() => from("HOST", { path: "none.env", optional: true }), "couldn't parse env file"],
      [() => from("HOST", { volumeName: "other" }), 'cannot find the volume "other" referenced by FileKeyRef'],
    ];
    for (const [env, message] of refused) await assert.rejects(env(), { message });
    await assert.rejects(from("NONE"), ContainerConfigError);
  } finally {
    await rm(files, { recursive: true });
  }
});
