// The OpenAPI documents of the served kinds, and their protobuf form read back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { VIRTUAL_KINDS } from "@skiff/api/kinds/virtual-kinds.ts";
import type { RequestContext } from "../http/endpoint.ts";
import { DocumentBuilder } from "./documents.ts";
import { encodeVersion2 } from "./encode-v2.ts";
import { createOpenApiHandlers } from "./index.ts";
import { varint } from "./protobuf-writer.ts";

const builder = new DocumentBuilder(KINDS, VIRTUAL_KINDS);

// biome-ignore lint/suspicious/noExplicitAny: documents are walked by path here
type Loose = any;

test("DocumentBuilder names types as upstream and leaves no reference open", () => {
  const document: Loose = builder.version2();
  const names = new Set(Object.keys(document.definitions));
  const references = JSON.stringify(document).matchAll(/"#\/definitions\/([^"]+)"/g);
  assert.deepEqual(
    [...references].map((match) => match[1] ?? "").filter((name) => !names.has(name)),
    [],
  );
  for (const name of ["io.k8s.api.core.v1.Pod", "io.k8s.api.rbac.v1.Subject", "io.k8s.api.discovery.v1.EndpointPort"]) {
    assert.ok(names.has(name), name);
  }
  assert.equal(new Set(Object.values(document.paths).flatMap(operationIds)).size > 100, true);
});

function operationIds(path: Loose): string[] {
  return ["get", "put", "post", "delete", "patch"].flatMap((method) => path[method]?.operationId ?? []);
}

test("DocumentBuilder tells kubectl merge keys, kinds and the parameters of patches", () => {
  const document: Loose = builder.version2();
  const containers = document.definitions["io.k8s.api.core.v1.PodSpec"].properties.containers;
  assert.equal(containers["x-kubernetes-patch-merge-key"], "name");
  assert.equal(containers["x-kubernetes-patch-strategy"], "merge");
  const patch = document.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"].patch;
  assert.deepEqual(patch["x-kubernetes-group-version-kind"], { group: "apps", version: "v1", kind: "Deployment" });
  const names = patch.parameters.map((parameter: Loose) => parameter.name);
  assert.ok(names.includes("dryRun") && names.includes("fieldValidation"));
  const claim = document.definitions["io.k8s.api.core.v1.PersistentVolumeClaimSpec"].properties;
  assert.deepEqual(claim.volumeMode.enum, ["Block", "Filesystem"]);
  assert.equal(claim.accessModes.items.enum.length, 4, "the words of a list are those of its items");
  // Not declared as an enumeration, for other words are good too.
  assert.equal(document.definitions["io.k8s.api.core.v1.LimitRangeItem"].properties.type.enum, undefined);
  const limits = document.definitions["io.k8s.api.core.v1.ResourceRequirements"].properties.limits;
  assert.deepEqual(limits.additionalProperties, {
    $ref: "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity",
  });
});

test("DocumentBuilder gives each version 3 document all it refers to and operation ids that are unique", () => {
  for (const name of builder.groupVersions) {
    const document: Loose = builder.version3(name);
    const names = new Set(Object.keys(document.components.schemas));
    const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
    assert.deepEqual(
      [...references].map((match) => match[1] ?? "").filter((reference) => !names.has(reference)),
      [],
    );
    const ids = Object.values(document.paths).flatMap(operationIds);
    assert.equal(new Set(ids).size, ids.length, name);
  }
});

interface Field {
  readonly number: number;
  readonly bytes: Buffer;
}

/** The length-delimited fields of a message. */
function* fields(message: Buffer): Generator<Field> {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = next();
    const size = next();
    if ((tag & 7) !== 2) continue;
    yield { number: tag >>> 3, bytes: message.subarray(at, at + size) };
    at += size;
  }
}

test("encodeVersion2 writes definitions that read back by field number", () => {
  const document: Loose = builder.version2();
  const [definitions] = [...fields(Buffer.from(encodeVersion2(document)))].filter(({ number }) => number === 9);
  assert.ok(definitions);
  const names = [...fields(definitions.bytes)].map(({ bytes }) => [...fields(bytes)][0]?.bytes.toString());
  assert.deepEqual(names, Object.keys(document.definitions));
});

test("varint writes seven bits a byte, lowest first", () => {
  assert.deepEqual([...varint(0), ...varint(127), ...varint(300)], [0, 127, 0xac, 0x02]);
});

test("createOpenApiHandlers links version 3 documents by hash and answers a known one with 304", async () => {
  const handlers = createOpenApiHandlers(KINDS, VIRTUAL_KINDS);
  const get = (path: string, headers: Record<string, string> = {}, query = "") =>
    handlers
      .find((handler) => (path === "/openapi/v3" ? handler.path === path : handler.path === "/openapi/v3/"))
      ?.handle({ raw: { headers }, info: { path }, query: new URLSearchParams(query) } as unknown as RequestContext);
  const index = await get("/openapi/v3");
  assert.ok(index && "bytes" in index);
  const url: string = JSON.parse(index.bytes.toString()).paths["apis/apps/v1"].serverRelativeURL;
  const [path = "", query = ""] = url.split("?");
  const document = await get(path, {}, query);
  assert.match(document?.headers?.["cache-control"] ?? "", /immutable/);
  const etag = document?.headers?.etag ?? "";
  assert.equal((await get(path, { "if-none-match": etag }, query))?.code, 304);
  assert.equal((await get(path, {}, "hash=old"))?.headers?.location, url);
  const asked = { accept: "application/com.github.proto-openapi.spec.v3@v1.0+protobuf" };
  const protobuf = await get(path, asked, query);
  assert.ok(protobuf && "bytes" in protobuf);
  assert.equal(protobuf.contentType, "application/com.github.proto-openapi.spec.v3.v1.0+protobuf");
  // The first field of a Document: the text "3.0.0".
  assert.ok(Buffer.from(protobuf.bytes).subarray(0, 7).equals(Buffer.from("\n\x053.0.0")));
  await assert.rejects(async () => get(path, { accept: "application/cbor" }, query), { code: 406 });
  await assert.rejects(async () => get("/openapi/v3/apis/none/v1"), { code: 404 });
});
