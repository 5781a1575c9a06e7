// Puts the parts of the apiserver together: security, registry, handlers and bootstrap over one storage.
import { VIRTUAL_KINDS } from "@skiff/api/kinds/virtual-kinds.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { HealthCheck } from "@skiff/component-base/health-checks.ts";
import { checkLog, type Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { createAdmissionPlugins } from "./admission/index.ts";
import type { Auditor } from "./audit/auditor.ts";
import { createAuthenticator } from "./authn/index.ts";
import { createIssuerDiscoveryHandlers } from "./authn/issuer-discovery.ts";
import { createAuthorizer } from "./authz/index.ts";
import { runBootstrap } from "./bootstrap/index.ts";
import type { StartHooks } from "./bootstrap/start-hooks.ts";
import { createComponentStatusHandler } from "./component-status/index.ts";
import { etcdProbe, healthzProbe } from "./component-status/probes.ts";
import type { ApiServerConfig } from "./config.ts";
import { createDiscoveryHandlers } from "./discovery/index.ts";
import { requireAllowed } from "./filters/authorization.ts";
import { InFlightLimit } from "./filters/in-flight.ts";
import { Pipeline } from "./filters/pipeline.ts";
import { RequestMetrics } from "./filters/request-metrics.ts";
import { SecurityMetrics } from "./filters/security-metrics.ts";
import { createFlowDumps } from "./flowcontrol/dumps.ts";
import { FlowController } from "./flowcontrol/flow-controller.ts";
import { BufferLimit } from "./http/buffer-limit.ts";
import { ByteBudget } from "./http/byte-budget.ts";
import type { PathHandler, ResourceHandler } from "./http/endpoint.ts";
import { type HealthPaths, healthHandlers, indexHandler, metricsHandler, versionHandler } from "./http/health-paths.ts";
import type { RequestInfo } from "./http/request-info.ts";
import { Router } from "./http/router.ts";
import { verbosityHandler } from "./http/verbosity-path.ts";
import { flagzHandler, statuszHandler } from "./http/z-pages.ts";
import { createOpenApiHandlers } from "./openapi/index.ts";
import { createProxyHandlers } from "./proxy/index.ts";
import type { ServerFiles } from "./read-files.ts";
import { CachedReader } from "./registry/cached-reader.ts";
import { InternalWriter } from "./registry/internal-writer.ts";
import { ListSnapshots } from "./registry/list-snapshots.ts";
import type { WriteHooks } from "./registry/object-access.ts";
import { ResourceTable } from "./registry/resource-table.ts";
import { RestServer } from "./registry/rest-server.ts";
import { createServiceHooks, type ServiceHooks } from "./registry/services/index.ts";
import { TableCells } from "./registry/table-cells.ts";
import { WatchMetrics } from "./registry/watch-meter.ts";
import type { WriteDeps } from "./registry/write-options.ts";
import { createReviewHandlers } from "./reviews/index.ts";
import { createTokenRequestHandler } from "./reviews/token-request.ts";
import type { Storage } from "./storage/open-storage.ts";
import type { Tracer } from "./tracing/tracer.ts";

/** What the readiness checks look at. */
export interface ServerState {
  /** What a fresh cluster needs, as it comes to be there. */
  readonly hooks: StartHooks;
  stopping: boolean;
}

/** What server.ts runs once the caches are filled. */
export interface ServerParts {
  readonly pipeline: Pipeline;
  /** What runs beside the requests until the signal aborts; `port` is the one that was opened. */
  background(port: number): Promise<unknown>;
}

/** What was read and opened before. */
interface Inputs {
  readonly config: ApiServerConfig;
  readonly files: ServerFiles;
  readonly storage: Storage;
  readonly state: ServerState;
  readonly context: ProgramContext;
  readonly audit: Auditor | undefined;
  readonly tracer: Tracer | undefined;
}

/** The only place where parts are made and given each other. Opens nothing and starts nothing. */
export function composeServer(inputs: Inputs): ServerParts {
  const { config, storage, context } = inputs;
  const { clock, log, metrics, signal } = context;
  const resources = new ResourceTable(storage.kinds);
  const reader = new CachedReader(storage.objects, resources);
  const security = composeSecurity(inputs, reader);
  const eventTtlSeconds = Math.max(1, Math.round(config["event-ttl"] / 1000));
  const plainWrites = { storage: storage.objects, admission: security.admission, clock, log, eventTtlSeconds };
  const services = createServiceHooks({
    kv: storage.kv,
    clusterIpRange: config["service-cluster-ip-range"],
    nodePortRange: config["service-node-port-range"],
    reader,
    // Without hooks: IPAddress objects are written from inside the hooks of Services.
    writer: new InternalWriter({ ...plainWrites, hooks: new Map() }, resources),
    metrics,
    clock,
    log,
  });
  const hooks = hooksByDirectory(services.hooks as readonly unknown[] as readonly WriteHooks<KubeObject>[]);
  const writes = { ...plainWrites, hooks };
  const { limit, flows } = composeLimit(inputs, reader, resources);
  const pipeline = new Pipeline({
    ...security,
    router: composeRouter(inputs, security, writes, resources, reader, flows),
    limit,
    metrics: new RequestMetrics(metrics, limit),
    securityMetrics: new SecurityMetrics(metrics, clock),
    audit: inputs.audit,
    tracer: inputs.tracer,
    bodies: bodyBudget(metrics),
    buffers: new BufferLimit(MAX_BUFFERED_BYTES, context),
    requestTimeoutMs: config["request-timeout"],
    clock,
    log,
  });
  // With hooks: the Service `kubernetes` takes its address like any other.
  const writer = new InternalWriter(writes, resources);
  return {
    pipeline,
    background: (port) =>
      Promise.all([
        services.repairLoop(signal, () => inputs.state.hooks.done("start-service-ip-repair-controllers")),
        flows?.run(signal, () => inputs.state.hooks.done("priority-and-fairness-config-consumer")),
        startBootstrap(inputs, { reader, writer, port, services }),
      ]),
  };
}

/** Of all connections together. */
const MAX_BUFFERED_BYTES = 256 * 1024 * 1024;

/** Twenty of the largest bodies at once, five of one user; parsed they are several times as large. */
function bodyBudget(metrics: MetricsRegistry): ByteBudget {
  const budget = new ByteBudget({ total: 64 * 1024 * 1024, perOwner: 16 * 1024 * 1024, maxWaiting: 1000 });
  metrics.observedGauge("apiserver_request_body_bytes", "Bytes of request bodies that are being worked on.", () => [
    { value: budget.state.used },
  ]);
  metrics.observedGauge("apiserver_request_bodies_waiting", "Requests whose body has to wait for room.", () => [
    { value: budget.state.waiting },
  ]);
  return budget;
}

/** Priority and fairness unless it is off, or no seats are left to it. */
function composeLimit({ config, storage, context }: Inputs, reader: CachedReader, resources: ResourceTable) {
  const readOnly = config["max-requests-inflight"];
  const mutating = config["max-mutating-requests-inflight"];
  if (!config["enable-priority-and-fairness"] || readOnly + mutating <= 0) {
    return { limit: new InFlightLimit({ readOnly, mutating }, context.clock), flows: undefined };
  }
  // As upstream: the two limits together are the seats that priority levels share, and nobody waits longer than a
  // quarter of a request's time.
  const options = { concurrency: readOnly + mutating, waitLimitMs: config["request-timeout"] / 4 };
  // A list takes seats by how much it may have to read.
  const sizeOf = (info: RequestInfo) => {
    const kind = resources.find(info);
    const cache = kind && storage.objects.cacheOf(kind);
    return { objects: cache?.size ?? 0, averageBytes: cache?.averageBytes() ?? 0 };
  };
  const flows = new FlowController(options, { ...context, reader, sizeOf });
  return { limit: flows, flows };
}

type Security = ReturnType<typeof composeSecurity>;

/** Who, whether, and what may be written: all three read roles, accounts and namespaces from the caches. */
function composeSecurity({ config, files, context }: Inputs, reader: CachedReader) {
  const { clock, log, metrics } = context;
  const deps = { reader, clock, log, metrics };
  const authorizer = createAuthorizer(config["authorization-mode"], deps);
  return {
    authenticator: createAuthenticator(authenticationOf(config, files), deps),
    authorizer,
    // Some plug-ins ask what rights a writer has beside the write itself.
    admission: createAdmissionPlugins({ disabled: config["disable-admission-plugins"] }, { ...deps, authorizer }),
  };
}

/** Paths, resources with handlers of their own, and the registry for all others. */
function composeRouter(
  inputs: Inputs,
  security: Security,
  writes: WriteDeps,
  resources: ResourceTable,
  reader: CachedReader,
  flows: FlowController | undefined,
): Router {
  const { config, context } = inputs;
  const registry = new RestServer({
    ...writes,
    resources,
    requireAllowed: (attributes) => requireAllowed(attributes, security.authorizer),
    snapshots: new ListSnapshots(context.clock),
    cells: new TableCells(),
    watchMetrics: new WatchMetrics(context.metrics, context.clock),
    minRequestTimeoutMs: config["min-request-timeout"] * 1000,
  });
  const listed = [...pathHandlers(inputs), flagzHandler(config.flagTexts)];
  const status = statuszHandler(() => listed.map(({ path }) => path), context.clock);
  // Those for debugging are not in the list at `/`, as upstream.
  const unlisted = [...(flows ? createFlowDumps(flows) : []), verbosityHandler(context.log)];
  const paths = [...listed, status, ...unlisted];
  return new Router(
    [...paths, indexHandler([...listed, status])],
    resourceHandlers(inputs, security, resources, reader),
    registry,
  );
}

/** Resources that are answered and not stored, and subresources that reach other programs. */
function resourceHandlers(
  inputs: Inputs,
  security: Security,
  resources: ResourceTable,
  reader: CachedReader,
): ResourceHandler[] {
  const { config, files, context } = inputs;
  const { clock, log } = context;
  const tokens = createTokenRequestHandler({
    signingKey: files.signingKey,
    issuer: config["service-account-issuer"],
    apiAudiences: config["api-audiences"],
    admission: security.admission,
    kind: resources.require("", "serviceaccounts").definition,
    reader,
    clock,
  });
  return [
    ...createReviewHandlers({ ...security, reader, clock }),
    ...createProxyHandlers({
      kubeletTls: files.kubelet,
      authorizer: security.authorizer,
      reader,
      clock,
      log,
      tracer: inputs.tracer,
    }),
    tokens,
    createComponentStatusHandler([
      // componentstatuses is deprecated, and asks on this machine only, at the programs' default ports.
      healthzProbe("scheduler", 10_259),
      healthzProbe("controller-manager", 10_257),
      etcdProbe(() => inputs.storage.ping()),
    ]),
  ];
}

/** Everything outside /api and /apis, and the discovery documents below them. */
function pathHandlers({ config, files, storage, state, context }: Inputs): PathHandler[] {
  return [
    ...healthHandlers(healthChecks(storage, state, context.log), context.log),
    versionHandler(),
    metricsHandler(context.metrics),
    ...createDiscoveryHandlers(config.kinds, VIRTUAL_KINDS, {
      serverAddress: `${config["advertise-address"]}:${config["secure-port"]}`,
    }),
    ...createOpenApiHandlers(config.kinds, VIRTUAL_KINDS),
    ...createIssuerDiscoveryHandlers({
      issuer: config["service-account-issuer"],
      keys: files.serviceAccountKeys,
      externalAddress: `${config["advertise-address"]}:${config["secure-port"]}`,
    }),
  ];
}

/** Upstream's checks, for what is here to be checked. */
function healthChecks(storage: Storage, state: ServerState, log: Logger): HealthPaths {
  const ping: HealthCheck = { name: "ping", check: () => {} };
  const logged: HealthCheck = { name: "log", check: () => checkLog(log) };
  const etcd: HealthCheck = { name: "etcd", check: () => storage.ping() };
  const readiness: HealthCheck = { name: "etcd-readiness", check: () => storage.ping() };
  const synced: HealthCheck = {
    name: "informer-sync",
    check: () => must(storage.feed.hasSynced, "the caches are not filled"),
  };
  const shutdown: HealthCheck = { name: "shutdown", check: () => must(!state.stopping, "process is shutting down") };
  const hooks = state.hooks.checks;
  return {
    healthz: [ping, logged, etcd, ...hooks],
    livez: [ping, logged, etcd, ...hooks],
    // Not ready before roles exist: every client but administrators would be refused.
    readyz: [ping, logged, etcd, readiness, synced, ...hooks, shutdown],
  };
}

/** Needs the port that was opened, since it is part of the Endpoints of the Service `kubernetes`. */
function startBootstrap(
  { config, files, storage, state, context }: Inputs,
  parts: { reader: CachedReader; writer: InternalWriter; port: number; services: ServiceHooks },
): Promise<void> {
  const { clock, log, signal } = context;
  return runBootstrap({
    reader: parts.reader,
    writer: parts.writer,
    kv: storage.kv,
    advertiseAddress: config["advertise-address"],
    securePort: parts.port,
    priorityAndFairness: config["enable-priority-and-fairness"],
    trustBundles: config.kinds.some(({ plural }) => plural === "clustertrustbundles"),
    serviceIp: parts.services.firstAddress,
    serviceRanges: parts.services.configuredRanges,
    authentication: { clientCa: files.clientCa, requestHeader: authenticationOf(config, files).requestHeader },
    clock,
    log,
    signal,
    onDone: (hook) => state.hooks.done(hook),
    onReady: () => log.info("ready"),
  });
}

/** Front proxies are trusted only where their CA is given: the headers name any user. */
function authenticationOf(config: ApiServerConfig, files: ServerFiles) {
  // Aggregation: a proxy that authenticated the user names it in headers.
  const requestHeader = files.requestHeaderCa && {
    ca: files.requestHeaderCa,
    allowedNames: config["requestheader-allowed-names"],
    usernameHeaders: config["requestheader-username-headers"],
    groupHeaders: config["requestheader-group-headers"],
    extraPrefixes: config["requestheader-extra-headers-prefix"],
  };
  return {
    anonymousAuth: config["anonymous-auth"],
    bootstrapTokens: config["enable-bootstrap-token-auth"],
    clientCa: files.clientCa,
    serviceAccountIssuer: config["service-account-issuer"],
    serviceAccountKeyFiles: files.serviceAccountKeys,
    apiAudiences: config["api-audiences"],
    requestHeader: requestHeader || undefined,
  };
}

/** By the directory that StorageKind has for the same kind. */
function hooksByDirectory(hooks: readonly WriteHooks<KubeObject>[]): ReadonlyMap<string, WriteHooks> {
  return new Map(
    hooks.map((hook) => [hook.ref.group ? `${hook.ref.group}/${hook.ref.plural}` : hook.ref.plural, hook]),
  );
}

function must(condition: boolean, why: string): void {
  if (!condition) throw new Error(why);
}
