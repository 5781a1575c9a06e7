// Runs the apiserver: opens the storage, serves once the caches are filled, and stops in order.
import { collectAfterBursts } from "@skiff/component-base/collect-after-bursts.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { createAuditor } from "./audit/index.ts";
import { type StartHook, StartHooks } from "./bootstrap/start-hooks.ts";
import { composeServer, type ServerState } from "./compose-server.ts";
import type { ApiServerConfig } from "./config.ts";
import type { Pipeline } from "./filters/pipeline.ts";
import { type Listener, listen } from "./http/listener.ts";
import { readServerFiles } from "./read-files.ts";
import { openStorage } from "./storage/open-storage.ts";
import type { Tracing } from "./tracing/index.ts";

/** Runs until the signal aborts. */
export async function runApiServer(config: ApiServerConfig, context: ProgramContext): Promise<void> {
  const { signal, log } = context;
  const files = await readServerFiles(config);
  const audit = await createAuditor(config.audit, context);
  await using tracing = await openTracing(files.tracing, context);
  const tracer = tracing?.tracer;
  const etcd = { servers: config["etcd-servers"], prefix: config["etcd-prefix"] };
  await using storage = openStorage({ ...etcd, ...(files.etcd ? { tls: files.etcd } : {}) }, config.kinds, {
    ...context,
    tracer,
  });
  const state: ServerState = { hooks: new StartHooks(startHooks(config)), stopping: false };
  const { pipeline, background } = composeServer({ config, files, storage, state, context, audit, tracer });
  // Before the caches are filled nobody's roles are known, so every answer would be a refusal.
  await Promise.race([storage.feed.synced(), aborted(signal)]);
  if (signal.aborted) return;
  const address = { host: config["bind-address"], port: config["secure-port"] };
  // TLS verifies against both; which one signed is for authentication to tell apart.
  const clientCa = [files.clientCa, files.requestHeaderCa ?? ""].filter(Boolean);
  const handshakeErrors = context.metrics.counter(
    "apiserver_tls_handshake_errors_total",
    "Connections that broke off before TLS was agreed on",
  );
  const onHandshakeError = () => handshakeErrors.inc();
  const tls = { cert: files.tlsCert, key: files.tlsKey, clientCa, onHandshakeError };
  const listener = await listen({ ...address, ...tls }, pipeline.handlers);
  log.info({ port: listener.port }, "serving");
  const work = Promise.all([background(listener.port), collectAfterBursts(context.clock, signal)]);
  await aborted(signal);
  // From here /readyz fails, so that load balancers send nothing more.
  state.stopping = true;
  await stop(listener, pipeline, context);
  // After the last request, whose event must not be lost.
  await audit?.close();
  await work;
}

/** Those that this server runs. */
function startHooks(config: ApiServerConfig): StartHook[] {
  return [
    ...(config["enable-priority-and-fairness"]
      ? (["priority-and-fairness-config-consumer", "priority-and-fairness-config-producer"] as const)
      : []),
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "bootstrap-controller",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kubernetes-service-cidr-controller",
  ];
}

/** Loaded by those who want it only. */
async function openTracing(text: string | undefined, context: ProgramContext): Promise<Tracing | undefined> {
  if (text === undefined) return undefined;
  const { createTracing } = await import("./tracing/index.ts");
  try {
    return createTracing(text, context);
  } catch (cause) {
    throw new Error(`--tracing-config-file: ${(cause as Error).message}`, { cause });
  }
}

/** How long ordinary requests may take to finish. */
const DRAIN_MS = 10_000;

/** Watches end first, for their clients shall go to another server while this one still answers the rest. */
async function stop(listener: Listener, pipeline: Pipeline, { clock, log }: ProgramContext): Promise<void> {
  log.info("draining");
  pipeline.stop(new Error("the server is stopping"));
  await listener.close(Promise.race([pipeline.idle(), clock.sleep(DRAIN_MS)]));
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
