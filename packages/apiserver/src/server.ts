// Composes the apiserver: storage, registry, security, HTTP; starts it, and stops it in order.

import { KINDS } from "@skiff/api/kinds/index.ts";
import { VIRTUAL_KINDS } from "@skiff/api/kinds/virtual-kinds.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { HealthCheck } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { createAdmissionPlugins } from "./admission/index.ts";
import { createAuthenticator } from "./authn/index.ts";
import { createIssuerDiscoveryHandlers } from "./authn/issuer-discovery.ts";
import { createAuthorizer } from "./authz/index.ts";
import { runBootstrap } from "./bootstrap/index.ts";
import type { ApiServerConfig } from "./config.ts";
import { createDiscoveryHandlers } from "./discovery/index.ts";
import { requireAllowed } from "./filters/authorization.ts";
import { InFlightLimit } from "./filters/in-flight.ts";
import { Pipeline } from "./filters/pipeline.ts";
import { RequestMetrics } from "./filters/request-metrics.ts";
import type { PathHandler, ResourceHandler } from "./http/endpoint.ts";
import { healthHandlers, indexHandler, metricsHandler, versionHandler } from "./http/health-paths.ts";
import { type Listener, listen } from "./http/listener.ts";
import { Router } from "./http/router.ts";
import { createOpenApiHandlers } from "./openapi/index.ts";
import { createProxyHandlers } from "./proxy/index.ts";
import { readServerFiles, type ServerFiles } from "./read-files.ts";
import { CachedReader } from "./registry/cached-reader.ts";
import { InternalWriter } from "./registry/internal-writer.ts";
import { ListSnapshots } from "./registry/list-snapshots.ts";
import type { WriteHooks } from "./registry/object-access.ts";
import { ResourceTable } from "./registry/resource-table.ts";
import { RestServer } from "./registry/rest-server.ts";
import { createServiceHooks } from "./registry/services/index.ts";
import { createReviewHandlers } from "./reviews/index.ts";
import { createTokenRequestHandler } from "./reviews/token-request.ts";
import { openStorage, type Storage } from "./storage/open-storage.ts";

/** Runs until the signal aborts; `onListening` tells the port once requests are served. */
export async function runApiServer(
  config: ApiServerConfig,
  context: ProgramContext,
  onListening?: (port: number) => void,
): Promise<void> {
  const files = await readServerFiles(config);
  const options = {
    servers: config["etcd-servers"],
    prefix: config["etcd-prefix"],
    ...(files.etcd ? { tls: files.etcd } : {}),
  };
  await using storage = openStorage(options, KINDS, context);
  const state: ServerState = { bootstrapped: false, stopping: false };
  const parts = compose(config, files, storage, state, context);
  await Promise.race([storage.feed.synced(), aborted(context.signal)]);
  if (context.signal.aborted) return;
  const listener = await listen(
    {
      host: config["bind-address"],
      port: config["secure-port"],
      cert: files.tlsCert,
      key: files.tlsKey,
      clientCa: [files.clientCa, files.requestHeaderCa ?? ""].filter(Boolean),
    },
    parts.pipeline.handlers,
  );
  context.log.info({ port: listener.port }, "serving");
  onListening?.(listener.port);
  const work = Promise.all([parts.bootstrap(listener.port), parts.repair()]);
  await aborted(context.signal);
  state.stopping = true;
  await stop(listener, parts.pipeline, context);
  await work;
}

interface ServerState {
  /** Everything a fresh cluster needs is there. */
  bootstrapped: boolean;
  stopping: boolean;
}

const DRAIN_MS = 10_000;

/** Watches end first, for their clients shall go to another server while this one still answers the rest. */
async function stop(listener: Listener, pipeline: Pipeline, { clock, log }: ProgramContext): Promise<void> {
  log.info("draining");
  pipeline.stop(new Error("the server is stopping"));
  await listener.close(Promise.race([pipeline.idle(), clock.sleep(DRAIN_MS)]));
}

function compose(
  config: ApiServerConfig,
  files: ServerFiles,
  storage: Storage,
  state: ServerState,
  context: ProgramContext,
) {
  const { clock, log, metrics, signal } = context;
  const resources = new ResourceTable(storage.kinds);
  const reader = new CachedReader(storage.objects, resources);
  const deps = { reader, clock, log };
  const authenticator = createAuthenticator(authenticationOf(config, files), deps);
  const authorizer = createAuthorizer(config["authorization-mode"], deps);
  const admission = createAdmissionPlugins({ disabled: config["disable-admission-plugins"] }, { ...deps, authorizer });
  const services = createServiceHooks({
    kv: storage.kv,
    clusterIpRange: config["service-cluster-ip-range"],
    nodePortRange: config["service-node-port-range"],
    ...deps,
  });
  const writes = {
    storage: storage.objects,
    admission,
    hooks: hooksByDirectory(services.hooks as readonly unknown[] as readonly WriteHooks<KubeObject>[]),
    clock,
    log,
    eventTtlSeconds: Math.max(1, Math.round(config["event-ttl"] / 1000)),
  };
  const registry = new RestServer({
    ...writes,
    resources,
    requireAllowed: (attributes) => requireAllowed(attributes, authorizer),
    snapshots: new ListSnapshots(clock),
    minRequestTimeoutMs: config["min-request-timeout"] * 1000,
  });
  const tokens = createTokenRequestHandler({
    signingKey: files.signingKey,
    issuer: config["service-account-issuer"],
    apiAudiences: config["api-audiences"],
    admission,
    kind: resources.require("", "serviceaccounts").definition,
    ...deps,
  });
  const handlers: ResourceHandler[] = [
    ...createReviewHandlers({ authenticator, authorizer, ...deps }),
    ...createProxyHandlers({ kubeletTls: files.kubelet, ...deps }),
    tokens,
  ];
  const issuer = createIssuerDiscoveryHandlers({
    issuer: config["service-account-issuer"],
    keys: files.serviceAccountKeys,
    externalAddress: `${config["advertise-address"]}:${config["secure-port"]}`,
  });
  const paths = [...pathHandlers(storage, state, context), ...issuer];
  const limit = new InFlightLimit({
    readOnly: config["max-requests-inflight"],
    mutating: config["max-mutating-requests-inflight"],
  });
  const pipeline = new Pipeline({
    authenticator,
    authorizer,
    router: new Router([...paths, indexHandler(paths)], handlers, registry),
    limit,
    metrics: new RequestMetrics(metrics, limit),
    requestTimeoutMs: config["request-timeout"],
    clock,
    log,
  });
  const writer = new InternalWriter(writes, resources);
  return {
    pipeline,
    repair: () => services.repairLoop(signal),
    bootstrap: (port: number) =>
      runBootstrap({
        ...deps,
        writer,
        kv: storage.kv,
        advertiseAddress: config["advertise-address"],
        securePort: port,
        serviceIp: services.firstAddress,
        authentication: { clientCa: files.clientCa, requestHeader: authenticationOf(config, files).requestHeader },
        signal,
        onReady: () => {
          state.bootstrapped = true;
          log.info("ready");
        },
      }),
  };
}

function authenticationOf(config: ApiServerConfig, files: ServerFiles) {
  const requestHeader = files.requestHeaderCa && {
    ca: files.requestHeaderCa,
    allowedNames: config["requestheader-allowed-names"],
    usernameHeaders: config["requestheader-username-headers"],
    groupHeaders: config["requestheader-group-headers"],
    extraPrefixes: config["requestheader-extra-headers-prefix"],
  };
  return {
    anonymousAuth: config["anonymous-auth"],
    serviceAccountIssuer: config["service-account-issuer"],
    serviceAccountKeyFiles: files.serviceAccountKeys,
    apiAudiences: config["api-audiences"],
    requestHeader: requestHeader || undefined,
  };
}

function hooksByDirectory(hooks: readonly WriteHooks<KubeObject>[]): ReadonlyMap<string, WriteHooks> {
  return new Map(
    hooks.map((hook) => [hook.ref.group ? `${hook.ref.group}/${hook.ref.plural}` : hook.ref.plural, hook]),
  );
}

function pathHandlers(storage: Storage, state: ServerState, { metrics }: ProgramContext): PathHandler[] {
  const etcd: HealthCheck = { name: "etcd", check: () => storage.ping() };
  const live: HealthCheck[] = [{ name: "ping", check: () => {} }, { name: "log", check: () => {} }, etcd];
  const ready: HealthCheck[] = [
    ...live,
    { name: "etcd-readiness", check: () => storage.ping() },
    { name: "informer-sync", check: () => must(storage.feed.hasSynced, "the caches are not filled") },
    { name: "poststarthook/rbac/bootstrap-roles", check: () => must(state.bootstrapped, "not finished") },
    { name: "shutdown", check: () => must(!state.stopping, "process is shutting down") },
  ];
  return [
    ...healthHandlers(live, ready),
    versionHandler(),
    metricsHandler(metrics),
    ...createDiscoveryHandlers(KINDS, VIRTUAL_KINDS),
    ...createOpenApiHandlers(KINDS, VIRTUAL_KINDS),
  ];
}

function must(condition: boolean, why: string): void {
  if (!condition) throw new Error(why);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
