import assert from "node:assert/strict";
import { test } from "node:test";
import { GrpcError } from "@skiff/grpc/grpc-error.ts";
import { CriError, isCriUnavailable } from "./cri-client.ts";

test("isCriUnavailable is true of a runtime that is away, and of one that listens but is not ready yet", () => {
  const answer = (code: number, message: string) => new CriError("StopContainer", new GrpcError(code, message));
  assert.ok(isCriUnavailable(answer(14, "connect ECONNREFUSED")));
  // containerd gives this one no code of its own.
  assert.ok(isCriUnavailable(answer(2, "server is not initialized yet")));
  assert.ok(!isCriUnavailable(answer(2, "failed to create containerd task")));
  assert.ok(!isCriUnavailable(new Error("server is not initialized yet")));
});
