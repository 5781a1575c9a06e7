// How image names are read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fullReference } from "./import-images.ts";

test("fullReference completes names as Docker does", () => {
  assert.deepEqual(
    ["nginx", "bitnami/redis:7", "localhost/x", "host:5000/a/b@sha256:00", "quay.io/a/b"].map(fullReference),
    [
      "docker.io/library/nginx:latest",
      "docker.io/bitnami/redis:7",
      "localhost/x:latest",
      "host:5000/a/b@sha256:00",
      "quay.io/a/b:latest",
    ],
  );
});
