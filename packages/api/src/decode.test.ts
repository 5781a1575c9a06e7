// Decoding: pruning, canonical forms and the words of its errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment, Pod, ReplicaSet, Secret } from "../generated/types.ts";
import { decode, parseJson, parseJsonFast } from "./decode.ts";

const lenient = { strict: false };

function podWith(spec: unknown, metadata: unknown = { name: "a" }) {
  return { apiVersion: "v1", kind: "Pod", metadata, spec };
}

function message(model: string, value: unknown, options = lenient): string {
  try {
    decode(model, value, options);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error && error.code === 400, String(error));
    return error.message.replace(/^.* cannot be handled as a \w+: /, "");
  }
  assert.fail("decoded");
}

test("decode keeps what the type knows, prunes and names the rest", () => {
  const { object, unknownFields } = decode<Pod>(
    "Pod",
    podWith({ foo: 1, nodeName: null, containers: [{ name: "c", bar: { baz: 1 } }] }),
    lenient,
  );
  assert.deepEqual(object, podWith({ containers: [{ name: "c" }] }));
  assert.deepEqual(unknownFields, ["spec.foo", "spec.containers[0].bar"]);
});

test("decode shares nothing with its input", () => {
  const input = { metadata: { labels: { a: "b" } }, data: { any: [{}] }, revision: 1 };
  const { object } = decode<typeof input>("ControllerRevision", input, lenient);
  object.metadata.labels.a = "c";
  object.data.any.push({});
  assert.deepEqual(input, { metadata: { labels: { a: "b" } }, data: { any: [{}] }, revision: 1 });
});

test("decode words type errors as upstream", () => {
  const go = (what: string, where: string, type: string) =>
    `json: cannot unmarshal ${what} into Go struct field ${where} of type ${type}`;
  assert.equal(message("Pod", podWith({ containers: "x" })), go("string", "PodSpec.spec.containers", "[]v1.Container"));
  assert.equal(
    message("Pod", podWith({ containers: [{ env: [{ value: 5 }] }] })),
    go("number", "EnvVar.spec.containers.env.value", "string"),
  );
  assert.equal(
    message("Pod", podWith({}, { labels: { "a/b": true } })),
    go("bool", "ObjectMeta.metadata.labels", "string"),
  );
  assert.equal(
    message("Deployment", { spec: { replicas: 1.5 } }),
    go("number 1.5", "DeploymentSpec.spec.replicas", "int32"),
  );
  assert.equal(
    message("Deployment", { spec: { replicas: 2 ** 31 } }),
    go("number 2147483648", "DeploymentSpec.spec.replicas", "int32"),
  );
  assert.equal(
    message("Service", { spec: { ports: [{ targetPort: {} }] } }),
    go("object", "ServicePort.spec.ports.targetPort", "int32"),
  );
  assert.equal(message("Pod", []), "json: cannot unmarshal array into Go value of type v1.Pod");
});

test("decode names kind and version in its error", () => {
  assert.throws(() => decode("Deployment", { apiVersion: "apps/v1", kind: "Deployment", spec: 1 }, lenient), {
    message: /^Deployment in version "v1" cannot be handled as a Deployment: json: /,
  });
});

test("decode refuses unknown and duplicate fields when strict", () => {
  assert.throws(() => decode("Pod", podWith({ foo: 1 }), { strict: true, duplicateFields: ["spec.x"] }), {
    message:
      'Pod in version "v1" cannot be handled as a Pod: strict decoding error: duplicate field "spec.x", unknown field "spec.foo"',
  });
});

test("decode brings quantities, times and bytes into their canonical form", () => {
  const { object } = decode<Pod>(
    "Pod",
    podWith(
      { containers: [{ resources: { limits: { cpu: "1000m", memory: 1024 } } }], overhead: { cpu: "0.5" } },
      { creationTimestamp: "2024-02-29T01:00:00.5+02:00" },
    ),
    lenient,
  );
  assert.deepEqual(object.spec.containers[0]?.resources?.limits, { cpu: "1", memory: "1024" });
  assert.deepEqual(object.spec.overhead, { cpu: "500m" });
  assert.equal(object.metadata.creationTimestamp, "2024-02-28T23:00:00Z");
  const lease = { metadata: {}, spec: { renewTime: "2024-01-01T00:00:00.123Z" } };
  assert.deepEqual(decode("Lease", lease, lenient).object, {
    metadata: {},
    spec: { renewTime: "2024-01-01T00:00:00.123000Z" },
  });
  const secret = decode<Secret>("Secret", { data: { a: "dGVz\ndA==" } }, lenient);
  assert.deepEqual(secret.object.data, { a: "dGVzdA==" });
});

test("decode refuses bad quantities, times and bytes in upstream's words", () => {
  assert.match(message("Pod", podWith({ overhead: { cpu: "much" } })), /^quantities must match the regular expression/);
  assert.equal(
    message("Pod", podWith({}, { creationTimestamp: "soon" })),
    'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"',
  );
  assert.equal(
    message("Pod", podWith({}, { creationTimestamp: "2023-02-29T00:00:00Z" })),
    'parsing time "2023-02-29T00:00:00Z": day out of range',
  );
  const faults: Record<string, number> = { test1: 4, a$bc: 1, "dGVzdA=": 7, "dGVzdA==x": 8, "=": 0 };
  for (const [text, at] of Object.entries(faults)) {
    assert.equal(message("Secret", { data: { a: text } }), `illegal base64 data at input byte ${at}`, text);
  }
});

test("decode reads null as a quantity in a map as 0", () => {
  const containers = [{ name: "c", resources: { requests: { cpu: null } } }];
  const { object } = decode<Pod>("Pod", podWith({ containers }), lenient);
  assert.deepEqual(object.spec.containers[0]?.resources, { requests: { cpu: "0" } });
});

test("decode reads null in a list or map as Go's zero value", () => {
  const { object } = decode<Pod>("Pod", podWith({ containers: [null] }, { labels: { a: null } }), lenient);
  assert.deepEqual(object, podWith({ containers: [{ name: "" }] }, { labels: { a: "" } }));
});

test("decode writes what upstream always writes: required zeros, metadata and spec", () => {
  assert.deepEqual(decode("Pod", { kind: "Pod" }, lenient).object, {
    kind: "Pod",
    metadata: {},
    spec: { containers: [] },
  });
  const { object } = decode<Deployment>("Deployment", {}, lenient);
  assert.deepEqual(object.spec, { template: {} });
  const set = decode<ReplicaSet>("ReplicaSet", { status: {} }, lenient);
  assert.deepEqual(set.object.status, { replicas: 0 });
});

test("decode keeps __proto__ a key and bounds depth", () => {
  const { object } = decode<{ data: object }>("ConfigMap", JSON.parse('{"data":{"__proto__":"x"}}'), lenient);
  assert.equal(JSON.stringify(object.data), '{"__proto__":"x"}');
  assert.equal(Object.getPrototypeOf(object.data), Object.prototype);
  const nested = JSON.parse(`${'{"not":'.repeat(20_000)}{}${"}".repeat(20_000)}`);
  assert.equal(message("JSONSchemaProps", nested), "exceeded max depth");
  assert.equal(message("ControllerRevision", { data: nested }), "exceeded max depth");
});

test("parseJson finds duplicate keys at any depth", () => {
  const { value, duplicateFields } = parseJson('{"a":1,"b":{"c":[{"d":1},{"d":2,"\\u0064":3}]},"a":2}');
  assert.deepEqual(value, { a: 2, b: { c: [{ d: 1 }, { d: 3 }] } });
  assert.deepEqual(duplicateFields, ["b.c[1].d", "a"]);
});

test("parseJson words syntax errors as upstream", () => {
  const cases: Record<string, string> = {
    "": "unexpected end of JSON input",
    '{"a":': "unexpected end of JSON input",
    "{a:1}": "invalid character 'a' looking for beginning of object key string",
    '{"a" 1}': "invalid character '1' after object key",
    '{"a":1 "b"}': "invalid character '\"' after object key:value pair",
    "[1 2]": "invalid character '2' after array element",
    nulx: "invalid character 'x' in literal null (expecting 'l')",
    "1 2": "invalid character '2' after top-level value",
    "<a>": "invalid character '<' looking for beginning of value",
  };
  for (const [text, why] of Object.entries(cases)) {
    assert.throws(() => parseJsonFast(text), { message: `couldn't get version/kind; json parse error: ${why}` }, text);
  }
});

test("parseJson survives long strings and nests as deep as upstream's decoder", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  assert.deepEqual(parseJson(nested(10_000)).duplicateFields, []);
  assert.throws(() => parseJson(nested(10_001)), { code: 400, message: /json parse error: exceeded max depth$/ });
  assert.throws(() => parseJson(nested(100_000)), { code: 400 });
  assert.deepEqual(parseJson(`{"a":"${"x\\n".repeat(1_000_000)}"}`).duplicateFields, []);
});

test("decode leaves out what upstream's types do not write: empty optional lists and maps, zeros that mean nothing", () => {
  const { object } = decode<Pod>(
    "Pod",
    {
      metadata: { name: "p", labels: {}, ownerReferences: [] },
      spec: {
        hostNetwork: false,
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "c", env: [], tty: false, resources: { limits: {} } }],
        volumes: [{ name: "v", emptyDir: {} }],
      },
    },
    { strict: true },
  );
  assert.deepEqual(object.metadata, { name: "p" });
  assert.deepEqual(object.spec, {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: "c", resources: {} }],
    volumes: [{ name: "v", emptyDir: {} }],
  });
  const role = decode<{ rules: unknown[] }>("Role", { metadata: {}, rules: [] }, { strict: true });
  assert.deepEqual(role.object.rules, []);
});

test("decode drops the zeros of plain fields and keeps those behind pointers", () => {
  const spec = {
    containers: [{ name: "c", image: "i", workingDir: "", tty: false, ports: [{ containerPort: 1, hostIP: "" }] }],
    hostname: "",
    runtimeClassName: "",
    automountServiceAccountToken: false,
  };
  const { object } = decode("Pod", { spec, metadata: { name: "p", generateName: "" } }, { strict: true });
  assert.deepEqual(object, {
    metadata: { name: "p" },
    spec: {
      containers: [{ name: "c", image: "i", ports: [{ containerPort: 1 }] }],
      runtimeClassName: "",
      automountServiceAccountToken: false,
    },
  });
});
