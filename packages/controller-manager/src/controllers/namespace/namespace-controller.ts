// The namespace controller: empties a namespace that is being deleted, then lets it go.
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import { stableStringify } from "@skiff/api/hash.ts";
import { namespaces } from "@skiff/api/resource-ref.ts";
import type { Namespace } from "@skiff/api/types.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { deleteContent } from "./delete-content.ts";
import { namespaceConditions } from "./namespace-conditions.ts";

/** In spec.finalizers, unlike other objects' in the metadata: while it stands the server keeps the namespace. */
const FINALIZER = "kubernetes";
/** Races lost in one pass before it is given up and repeated with back-off. */
const MAX_CONFLICTS = 10;
/** Events come in bursts while a namespace empties, and each pass asks for everything: one pass serves many events. */
const SETTLE_MS = 100;
/** How soon to look again when something other than pods is left. */
const RETRY_MS = 1000;

/** Looks at a namespace from its deletion until it is gone. */
export const namespaceController = {
  name: "namespace-controller",
  aliases: ["namespace"],
  component: "namespace-controller",
  serviceAccount: "namespace-controller",
  async run(context, signal) {
    const informer = context.informers.namespaces();
    using queue = context.newQueue();
    const enqueue = (namespace: Readonly<Namespace>) => {
      if (namespace.metadata.deletionTimestamp) queue.addAfter(namespace.metadata.name, SETTLE_MS);
    };
    using _namespaces = informer.addHandler({ onAdd: enqueue, onUpdate: enqueue });
    // Pods that end bring their namespace back at once, long before the estimate of their grace is over.
    using _pods = context.informers.pods().addHandler({
      onDelete(pod) {
        const namespace = informer.lister.get("", pod.metadata.namespace ?? "");
        if (namespace) enqueue(namespace);
      },
    });
    await informer.synced(signal);
    const sync = async (name: string, stop: AbortSignal) => {
      const cached = informer.lister.get("", name);
      if (!cached?.metadata.deletionTimestamp) return;
      const againMs = await terminate(cached, context, stop);
      if (againMs !== undefined) queue.addAfter(name, againMs);
    };
    await runReconciler(queue, context.config.concurrentNamespaceSyncs, sync, {
      signal,
      log: context.log,
      name: this.name,
    });
  },
} satisfies ControllerDefinition;

/** One pass; answers in how many milliseconds the next is due, or undefined when the namespace is done. */
async function terminate(
  cached: Readonly<Namespace>,
  context: Pick<ControllerContext, "client" | "clock" | "log">,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { client, clock, log } = context;
  const { name, uid } = cached.metadata;
  const live = await getLive(context, name, signal);
  // Only what is being deleted now, under that very UID, may be emptied.
  if (!live?.metadata.deletionTimestamp || live.metadata.uid !== uid) return undefined;
  if (!live.spec.finalizers?.length) return undefined;
  // The mark first: from then on the server lets nobody create in the namespace, so what is counted as gone stays gone.
  const marked = await updateStatus(context, live, (status) => ({ ...status, phase: "Terminating" }), signal);
  if (!marked) return undefined;
  const result = await deleteContent(client, name, signal);
  const conditions = (namespace: Readonly<Namespace>) =>
    namespaceConditions(namespace.status?.conditions, result, clock.now());
  const reported = await updateStatus(
    context,
    marked,
    (status, namespace) => ({ ...status, conditions: conditions(namespace) }),
    signal,
  );
  if (!reported) return undefined;
  const failed = result.discoveryFailures.size + result.deletionFailures.length;
  if (failed > 0) throw new Error(`content of namespace ${name} could not be deleted: ${failed} failures`);
  if (result.remaining.size > 0) {
    log.debug({ namespace: name, remaining: Object.fromEntries(result.remaining) }, "namespace still has content");
    // Upstream's pace: half of what the pods may take, and a little more.
    return result.estimateSeconds > 0 ? (result.estimateSeconds / 2 + 1) * 1000 : RETRY_MS;
  }
  // A crash before this costs one more pass over an empty namespace.
  await finalize(context, reported, signal);
  log.info({ namespace: name }, "namespace emptied");
  return undefined;
}

async function getLive(
  { client }: Pick<ControllerContext, "client">,
  name: string,
  signal: AbortSignal,
): Promise<Namespace | undefined> {
  try {
    return await client.of(namespaces).get("", name, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

type Status = NonNullable<Namespace["status"]>;

async function updateStatus(
  context: Pick<ControllerContext, "client">,
  namespace: Namespace,
  change: (status: Status, namespace: Readonly<Namespace>) => Status,
  signal: AbortSignal,
): Promise<Namespace | undefined> {
  return retryConflicts(context, namespace, signal, async (current) => {
    const status = change(current.status ?? {}, current);
    if (stableStringify(status) === stableStringify(current.status ?? {})) return current;
    return context.client.of(namespaces).updateStatus({ ...current, status }, { signal });
  });
}

/** Takes our finalizer away by the subresource that alone may change spec.finalizers; with the last one the namespace goes. */
async function finalize(
  context: Pick<ControllerContext, "client">,
  namespace: Namespace,
  signal: AbortSignal,
): Promise<void> {
  await retryConflicts(context, namespace, signal, async (current) => {
    const finalizers = (current.spec.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    const body = { apiVersion: "v1", kind: "Namespace", ...current, spec: { ...current.spec, finalizers } };
    const path = `/api/v1/namespaces/${encodeURIComponent(current.metadata.name)}/finalize`;
    await context.client.request({ method: "PUT", path, body, signal });
    return current;
  });
}

/** Repeats a write on the newest state; undefined when the namespace is gone or another took its name. */
async function retryConflicts(
  context: Pick<ControllerContext, "client">,
  namespace: Namespace,
  signal: AbortSignal,
  write: (current: Namespace) => Promise<Namespace>,
): Promise<Namespace | undefined> {
  let current: Namespace | undefined = namespace;
  for (let attempt = 0; current?.metadata.uid === namespace.metadata.uid; attempt++) {
    try {
      return await write(current);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || attempt >= MAX_CONFLICTS) throw error;
      current = await getLive(context, namespace.metadata.name, signal);
    }
  }
  return undefined;
}
