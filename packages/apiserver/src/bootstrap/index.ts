// What the apiserver itself puts into a cluster and keeps there: namespaces, RBAC, the Service `kubernetes`.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import { namespaces } from "@skiff/api/resource-ref.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { keepFlowObjects } from "../flowcontrol/maintain-objects.ts";
import { runRoleAggregation } from "./aggregate-roles.ts";
import type { PublishedAuthentication } from "./extension-authentication.ts";
import { publishAuthentication } from "./extension-authentication.ts";
import type { MasterServiceDeps } from "./kubernetes-service.ts";
import { keepMasterLease, reconcileMasterService } from "./kubernetes-service.ts";
import { ensurePriorityClasses } from "./priority-classes.ts";
import { reconcileRbac } from "./reconcile-rbac.ts";
import { createServiceCidrKeeper } from "./service-cidr.ts";
import type { StartHook } from "./start-hooks.ts";

/** What bootstrap reads and writes with, and what the flags say about it. */
export interface BootstrapDeps extends MasterServiceDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** --service-cluster-ip-range: one range, or one of each family. */
  readonly serviceRanges: readonly string[];
  /** Whether the FlowSchemas and priority levels of every cluster are wanted. */
  readonly priorityAndFairness: boolean;
  /** Whether ClusterTrustBundles are served, which all service accounts may read then. */
  readonly trustBundles: boolean;
  readonly authentication?: PublishedAuthentication;
  /** Called for each part of a fresh cluster, perhaps more than once. */
  readonly onDone?: (hook: StartHook) => void;
  /** Called once, when all that a fresh cluster needs exists: the server is not ready before. */
  readonly onReady?: () => void;
}

/** `kube-node-lease` holds the heartbeats of nodes, `kube-public` what everybody may read. */
const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];
/** How long a namespace or the Service may be missing after somebody deleted it. */
const ROUND_MS = 10_000;
/** The server is not ready meanwhile, so that it tries again soon. */
const RETRY_MS = 500;

/** Runs until the signal aborts; needs the caches to be filled. Failures are retried and never thrown. */
export async function runBootstrap(deps: BootstrapDeps): Promise<void> {
  const { signal } = deps;
  const done = (hook: StartHook) => deps.onDone?.(hook);
  await Promise.all([
    repeat(deps, "keep the master lease", ROUND_MS, () => keepMasterLease(deps, signal)),
    prepareAndMaintain(deps),
    // Tried once is enough: an address that cannot stand in Endpoints must not keep the whole cluster from becoming ready.
    repeat(deps, "maintain the Service kubernetes", ROUND_MS, () =>
      reconcileMasterService(deps, signal).finally(() => done("bootstrap-controller")),
    ),
    deps.priorityAndFairness
      ? keepFlowObjects(deps, signal, () => done("priority-and-fairness-config-producer"))
      : undefined,
    runRoleAggregation(deps, signal),
  ]);
}

/** First all that a fresh cluster needs, in order; then the same again for what somebody deletes. */
async function prepareAndMaintain(deps: BootstrapDeps): Promise<void> {
  const { signal } = deps;
  const keepServiceCidr = createServiceCidrKeeper(deps);
  await untilDone(deps, "prepare the cluster", async () => {
    const done = (hook: StartHook) => () => deps.onDone?.(hook);
    await ensureNamespaces(deps).then(done("start-system-namespaces-controller"));
    await keepServiceCidr(signal).then(done("start-kubernetes-service-cidr-controller"));
    await Promise.all([
      reconcileRbac(deps).then(done("rbac/bootstrap-roles")),
      ensurePriorityClasses(deps, signal).then(done("scheduling/bootstrap-system-priority-classes")),
      publish(deps).then(done("start-cluster-authentication-info-controller")),
    ]);
  });
  if (signal.aborted) return;
  deps.onReady?.();
  await Promise.all([
    repeat(deps, "maintain namespaces", ROUND_MS, () => ensureNamespaces(deps)),
    repeat(deps, "maintain the default ServiceCIDR", ROUND_MS, () => keepServiceCidr(signal)),
  ]);
}

async function publish(deps: BootstrapDeps): Promise<void> {
  if (deps.authentication) await publishAuthentication(deps.authentication, deps, deps.signal);
}

async function ensureNamespaces({ reader, writer, signal }: BootstrapDeps): Promise<void> {
  for (const name of NAMESPACES) {
    if (reader.get(namespaces, "", name)) continue;
    await writer.create(namespaces, { metadata: { name }, spec: {} }, signal).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
}

/** Tries until it works or the signal aborts. */
async function untilDone(deps: BootstrapDeps, what: string, work: () => Promise<void>): Promise<void> {
  while (!deps.signal.aborted) {
    if (await attempt(deps, what, work)) return;
    await deps.clock.sleep(RETRY_MS, deps.signal).catch(() => {});
  }
}

/** Rounds go on whether or not one failed. */
async function repeat(deps: BootstrapDeps, what: string, everyMs: number, work: () => Promise<void>): Promise<void> {
  while (!deps.signal.aborted) {
    await attempt(deps, what, work);
    await deps.clock.sleep(everyMs, deps.signal).catch(() => {});
  }
}

async function attempt({ log, signal }: BootstrapDeps, what: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error, what }, "bootstrap step failed, retrying");
    return false;
  }
}
