// Protobuf bodies as clients send them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { groupVersion } from "@skiff/api/object.ts";
import { WireWriter } from "../../storage/etcd/wire-writer.ts";
import { decodeProtobuf } from "./decode-protobuf.ts";

const text = (value: string) => Buffer.from(value);

function body(apiVersion: string, kind: string, raw: WireWriter): Buffer {
  const types = new WireWriter().bytes(1, text(apiVersion)).bytes(2, text(kind)).finish();
  return Buffer.concat([text("k8s\0"), new WireWriter().message(1, types).message(2, raw.finish()).finish()]);
}

test("decodeProtobuf reads what kubectl sends for a ConfigMap", () => {
  const sent =
    "6b3873000a0f0a0276311209436f6e6669674d6170121b0a110a016112001a0022002a00320038004200" + "12060a01781201791a002200";
  const value = decodeProtobuf(Buffer.from(sent, "hex"));
  assert.deepEqual(value, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { x: "y" } });
});

test("decodeProtobuf keeps zeros that were meant and drops those that were not", () => {
  const port = new WireWriter().choice(2, 0).number(3, 80).finish();
  const container = new WireWriter().bytes(1, text("c")).message(6, port).finish();
  const podSpec = new WireWriter().message(2, container).choice(4, 0).choice(11, 0).finish();
  const template = new WireWriter().message(2, podSpec).finish();
  const spec = new WireWriter().choice(1, 0).message(3, template).choice(5, 0);
  const value = decodeProtobuf(body("apps/v1", "Deployment", new WireWriter().message(2, spec.finish())));
  assert.deepEqual(value, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    spec: {
      replicas: 0,
      template: {
        spec: { containers: [{ name: "c", ports: [{ containerPort: 80 }] }], terminationGracePeriodSeconds: 0 },
      },
    },
  });
});

test("decodeProtobuf reads embedded messages, quantities, times, bytes and lists in maps", () => {
  const quantity = new WireWriter().bytes(1, text("1Gi")).finish();
  const entry = new WireWriter().bytes(1, text("memory")).bytes(2, quantity).finish();
  const resources = new WireWriter().message(1, entry).finish();
  const secretVolume = new WireWriter().bytes(1, text("s")).finish();
  const source = new WireWriter().message(6, secretVolume).finish();
  const volume = new WireWriter().bytes(1, text("v")).message(2, source).finish();
  const container = new WireWriter().bytes(1, text("c")).message(8, resources).finish();
  const spec = new WireWriter().message(1, volume).message(2, container).finish();
  const time = new WireWriter().number(1, 1_767_225_600).finish();
  const meta = new WireWriter().bytes(1, text("p")).message(8, time).finish();
  const pod = decodeProtobuf(body("v1", "Pod", new WireWriter().message(1, meta).message(2, spec)));
  assert.deepEqual(pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      volumes: [{ name: "v", secret: { secretName: "s" } }],
      containers: [{ name: "c", resources: { limits: { memory: "1Gi" } } }],
    },
  });
  const data = new WireWriter()
    .bytes(1, text("k"))
    .bytes(2, Buffer.from([0xff, 0]))
    .finish();
  const secret = decodeProtobuf(body("v1", "Secret", new WireWriter().message(2, data))) as { data: object };
  assert.deepEqual(secret.data, { k: "/wA=" });
});

test("decodeProtobuf reads older versions by their own layout", () => {
  const port = new WireWriter().number(2, 80).finish();
  const backend = new WireWriter().bytes(1, text("web")).message(2, port).finish();
  const path = new WireWriter().bytes(1, text("/a")).message(2, backend).bytes(3, text("Prefix")).finish();
  const http = new WireWriter().message(1, path).finish();
  const rule = new WireWriter().bytes(1, text("a.example")).message(2, new WireWriter().message(1, http).finish());
  const spec = new WireWriter().message(3, rule.finish()).bytes(4, text("nginx")).finish();
  assert.deepEqual(decodeProtobuf(body("networking.k8s.io/v1beta1", "Ingress", new WireWriter().message(2, spec))), {
    apiVersion: "networking.k8s.io/v1beta1",
    kind: "Ingress",
    spec: {
      ingressClassName: "nginx",
      rules: [
        {
          host: "a.example",
          http: { paths: [{ path: "/a", pathType: "Prefix", backend: { serviceName: "web", servicePort: 80 } }] },
        },
      ],
    },
  });
  const cron = new WireWriter().bytes(1, text("@daily")).choice(4, 0).finish();
  assert.deepEqual(decodeProtobuf(body("batch/v1beta1", "CronJob", new WireWriter().message(2, cron))), {
    apiVersion: "batch/v1beta1",
    kind: "CronJob",
    spec: { schedule: "@daily", suspend: false },
  });
});

test("decodeProtobuf reads what a schema may be: one or many, a schema or yes and no", () => {
  const entry = (key: string, value: Buffer) => new WireWriter().bytes(1, text(key)).message(2, value).finish();
  const string = new WireWriter().bytes(5, text("string")).choice(14, 0).choice(12, 0).finish();
  const one = new WireWriter().message(24, new WireWriter().message(1, string).finish()).finish();
  const many = new WireWriter().message(24, new WireWriter().message(2, string).message(2, string).finish()).finish();
  const closed = new WireWriter().message(30, new WireWriter().choice(1, 0).finish()).finish();
  const open = new WireWriter().message(30, new WireWriter().choice(1, 1).message(2, string).finish()).finish();
  const json = new WireWriter().message(8, new WireWriter().bytes(1, text("false")).finish()).finish();
  const schema = new WireWriter()
    .message(29, entry("one", one))
    .message(29, entry("many", many))
    .message(29, entry("closed", closed))
    .message(29, entry("open", open))
    .message(29, entry("json", json))
    .choice(38, 1)
    .finish();
  const version = new WireWriter()
    .bytes(1, text("v1"))
    .choice(2, 1)
    .choice(3, 0)
    .message(4, new WireWriter().message(1, schema).finish())
    .message(5, new WireWriter().message(1, Buffer.alloc(0)).finish())
    .finish();
  const spec = new WireWriter().bytes(1, text("a.example")).message(7, version).finish();
  const read = decodeProtobuf(
    body("apiextensions.k8s.io/v1", "CustomResourceDefinition", new WireWriter().message(2, spec)),
  );
  const leaf = { type: "string", minLength: 0 };
  assert.deepEqual(read, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    spec: {
      group: "a.example",
      versions: [
        {
          name: "v1",
          served: true,
          storage: false,
          schema: {
            openAPIV3Schema: {
              properties: {
                one: { items: leaf },
                many: { items: [leaf, leaf] },
                closed: { additionalProperties: false },
                open: { additionalProperties: leaf },
                json: { default: false },
              },
              "x-kubernetes-preserve-unknown-fields": true,
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  });
});

test("decodeProtobuf reads who owns which field, for an empty entry would mean that nobody does", () => {
  const owned = '{"f:data":{}}';
  const entry = new WireWriter()
    .bytes(1, text("kubectl"))
    .bytes(2, text("Update"))
    .bytes(3, text("v1"))
    .message(4, new WireWriter().number(1, 1_767_225_600).finish())
    .bytes(6, text("FieldsV1"))
    .message(7, new WireWriter().bytes(1, text(owned)).finish())
    .bytes(8, text("status"))
    .finish();
  const meta = new WireWriter().bytes(1, text("a")).message(17, entry).finish();
  const read = decodeProtobuf(body("v1", "ConfigMap", new WireWriter().message(1, meta)));
  const managedFields = [
    {
      ...{ manager: "kubectl", operation: "Update", apiVersion: "v1", time: "2026-01-01T00:00:00Z" },
      ...{ fieldsType: "FieldsV1", fieldsV1: { "f:data": {} }, subresource: "status" },
    },
  ];
  assert.deepEqual(read, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", managedFields } });
});

test("decodeProtobuf reads the devices of a ResourceSlice", () => {
  const attribute = (value: WireWriter) => new WireWriter().bytes(1, text("a")).message(2, value.finish()).finish();
  const quantity = new WireWriter().bytes(1, text("4Gi")).finish();
  const capacity = new WireWriter()
    .bytes(1, text("memory"))
    .message(2, new WireWriter().message(1, quantity).finish())
    .finish();
  const device = new WireWriter()
    .bytes(1, text("gpu-0"))
    .message(2, attribute(new WireWriter().choice(2, 0)))
    .message(3, capacity)
    .finish();
  const pool = new WireWriter().bytes(1, text("n1")).choice(2, 0).number(3, 1).finish();
  const spec = new WireWriter().bytes(1, text("gpu.example")).message(2, pool).bytes(3, text("n1")).message(6, device);
  const read = decodeProtobuf(body("resource.k8s.io/v1", "ResourceSlice", new WireWriter().message(2, spec.finish())));
  assert.deepEqual(read, {
    apiVersion: "resource.k8s.io/v1",
    kind: "ResourceSlice",
    spec: {
      driver: "gpu.example",
      pool: { name: "n1", generation: 0, resourceSliceCount: 1 },
      nodeName: "n1",
      devices: [{ name: "gpu-0", attributes: { a: { int: 0 } }, capacity: { memory: { value: "4Gi" } } }],
    },
  });
});

test("decodeProtobuf knows every version of the kinds that it knows", () => {
  for (const kind of KINDS) {
    for (const { version, group = kind.group } of [kind, ...(kind.otherVersions ?? [])]) {
      const apiVersion = groupVersion(group, version);
      assert.deepEqual(decodeProtobuf(body(apiVersion, kind.kind, new WireWriter())), { apiVersion, kind: kind.kind });
    }
  }
});

test("decodeProtobuf reads the mutations of a policy", () => {
  const mutation = new WireWriter()
    .bytes(2, text("JSONPatch"))
    .message(4, new WireWriter().bytes(1, text("[]")).finish())
    .finish();
  const spec = new WireWriter().message(4, mutation).bytes(5, text("Fail")).bytes(7, text("Never")).finish();
  const policy = body("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", new WireWriter().message(2, spec));
  assert.deepEqual(decodeProtobuf(policy), {
    ...{ apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingAdmissionPolicy" },
    spec: {
      mutations: [{ patchType: "JSONPatch", jsonPatch: { expression: "[]" } }],
      ...{ failurePolicy: "Fail", reinvocationPolicy: "Never" },
    },
  });
});

test("decodeProtobuf tells the zeros behind pointers from plain ones", () => {
  const request = new WireWriter().bytes(1, text("c")).bytes(3, text("All")).choice(4, 0).choice(5, 0).finish();
  const spec = new WireWriter()
    .message(1, new WireWriter().message(1, new WireWriter().bytes(1, text("r")).message(2, request).finish()).finish())
    .finish();
  const claim = body("resource.k8s.io/v1", "ResourceClaim", new WireWriter().message(2, spec));
  const exactly = { deviceClassName: "c", allocationMode: "All", adminAccess: false };
  assert.deepEqual((decodeProtobuf(claim) as { spec: unknown }).spec, {
    devices: { requests: [{ name: "r", exactly }] },
  });
});

test("decodeProtobuf refuses what it does not know with 400", () => {
  assert.throws(() => decodeProtobuf(text("hello")), { code: 400 });
  assert.throws(() => decodeProtobuf(body("v1", "NoSuchKind", new WireWriter())), { code: 400 });
  assert.throws(() => decodeProtobuf(Buffer.from("6b3873000aff", "hex")), { code: 400 });
});
