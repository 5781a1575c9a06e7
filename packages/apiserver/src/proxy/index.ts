// What is passed on to kubelets, pods and services.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { ResourceHandler } from "../http/endpoint.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { KubeletTls } from "./backend.ts";
import { BackendPool } from "./backend.ts";
import { createPodStreamHandlers } from "./pod-streams.ts";
import { createResourceProxyHandlers } from "./resource-proxy.ts";
import type { HttpTracer } from "./trace-call.ts";

/** All share one pool of connections. */
export function createProxyHandlers(deps: {
  readonly authorizer: Authorizer;
  readonly reader: ObjectReader;
  readonly kubeletTls: KubeletTls;
  readonly log: Logger;
  readonly clock: Clock;
  readonly tracer?: HttpTracer | undefined;
}): ResourceHandler[] {
  const shared = {
    reader: deps.reader,
    authorizer: deps.authorizer,
    pool: new BackendPool(deps.kubeletTls, deps.tracer),
    log: deps.log,
  };
  return [...createPodStreamHandlers(shared), ...createResourceProxyHandlers(shared)];
}
