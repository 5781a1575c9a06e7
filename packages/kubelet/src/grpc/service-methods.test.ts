// Our methods against those that proto-loader makes from the .proto file itself: same paths, same bytes, same objects.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import descriptor from "../cri/runtime-v1.json" with { type: "json" };
import { serviceMethods } from "./service-methods.ts";

const proto = join(import.meta.dirname, "..", "..", "..", "..", "proto", "cri", "runtime-v1.proto");
const loaded = loadSync(proto, { longs: String, enums: String, defaults: true });
const theirs = loaded["runtime.v1.RuntimeService"] as ServiceDefinition;
const ours = serviceMethods(descriptor, ["runtime.v1.RuntimeService"]);

test("serviceMethods names every method of the contract, with its path and kind of stream", () => {
  assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort());
  for (const [name, method] of Object.entries(theirs)) {
    assert.equal(ours[name]?.path, method.path);
    assert.equal(ours[name]?.responseStream, method.responseStream, name);
  }
});

test("serviceMethods writes the bytes that proto-loader writes and reads what it reads", () => {
  const name = "ContainerStatus";
  const status = {
    status: {
      id: "c1",
      metadata: { name: "web", attempt: 3 },
      state: "CONTAINER_EXITED",
      createdAt: "1790000000123456789",
      exitCode: 137,
      labels: { "io.kubernetes.pod.uid": "u" },
    },
  };
  const reference = theirs[name] as MethodDefinition<object, object>;
  const bytes = reference.responseSerialize(status);
  assert.deepEqual(ours[name]?.responseSerialize(status), bytes);
  const read = ours[name]?.responseDeserialize(bytes) as typeof status;
  const expected = reference.responseDeserialize(bytes) as typeof status;
  assert.equal(read.status.createdAt, "1790000000123456789");
  for (const field of Object.keys(status.status) as (keyof typeof status.status)[]) {
    assert.deepEqual(read.status[field], expected.status[field], field);
  }
});
