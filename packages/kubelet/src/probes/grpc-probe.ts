// Asks a container's health by gRPC, with upstream's words.
import assert from "node:assert/strict";
import type { ServiceError } from "@grpc/grpc-js";
import { credentials, status as grpcStatus, makeGenericClientConstructor } from "@grpc/grpc-js";
import type { Clock } from "@skiff/component-base/clock.ts";
import { serviceMethods } from "../grpc/service-methods.ts";
import descriptor from "./health-v1.json" with { type: "json" };
import type { ProbeResult } from "./run-probe.ts";

/** grpc.health.v1: anything but SERVING is a failure, a service that the server does not know among it. */
export function grpcProbe(
  host: string,
  port: number,
  service: string,
  timeoutSeconds: number,
  clock: Clock,
): Promise<ProbeResult> {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const check = serviceMethods(descriptor, ["grpc.health.v1.Health"]).Check;
  assert(check, "the health contract has Check");
  const Generic = makeGenericClientConstructor({}, "health");
  const client = new Generic(address, credentials.createInsecure(), {
    "grpc.primary_user_agent": "kube-probe/1.36",
    "grpc.enable_http_proxy": 0,
  });
  const deadline = new Date(clock.now() + timeoutSeconds * 1000);
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, answer?: object) => {
      client.close();
      if (error) return resolve({ ok: false, output: grpcFailure(error, address, timeoutSeconds) });
      const { status } = answer as { status: string };
      if (status === "SERVING") return resolve({ ok: true, output: "service healthy" });
      resolve({ ok: false, output: `service unhealthy (responded with "${status}")` });
    };
    client.makeUnaryRequest(
      check.path,
      check.requestSerialize,
      check.responseDeserialize,
      { service },
      { deadline },
      done,
    );
  });
}

function grpcFailure(error: ServiceError, address: string, timeoutSeconds: number): string {
  if (error.code === grpcStatus.UNIMPLEMENTED) {
    return "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)";
  }
  if (error.code === grpcStatus.DEADLINE_EXCEEDED) {
    return `timeout: health rpc did not complete within ${timeoutSeconds}s`;
  }
  if (error.code === grpcStatus.UNAVAILABLE) {
    // Upstream dials until the deadline, so it never tells why; the reasons differ each time and would flood the events.
    return `timeout: failed to connect service "${address}" within ${timeoutSeconds}s: context deadline exceeded`;
  }
  return `error: health rpc probe failed: ${error.message}`;
}
