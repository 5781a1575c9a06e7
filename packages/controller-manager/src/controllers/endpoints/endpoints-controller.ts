// The endpoints controller: keeps the Endpoints object of each Service with a selector.
import { isAlreadyExists, isConflict, isNotFound } from "@skiff/api/errors.ts";
import { stableStringify } from "@skiff/api/hash.ts";
import { selectorFromMap } from "@skiff/api/labels.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { objectKey, splitKey } from "@skiff/api/object.ts";
import { endpoints as endpointsRef } from "@skiff/api/resource-ref.ts";
import type { Endpoints, Pod, Service } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { isNamespaceTerminating } from "../namespace-terminating.ts";
import { runReconciler } from "../run-reconciler.ts";
import { planEndpoints } from "./plan-endpoints.ts";
import { markHeadless, podHandler, TRIGGER_TIME } from "./service-pods.ts";
import { TriggerTimes } from "./trigger-times.ts";

/** Tells these objects from those that people or other controllers keep for Services without a selector. */
const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const MANAGER = "endpoint-controller";
/** "truncated" where pods are left out. */
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
/** Old leader elections keep their record on an Endpoints object, which is nobody's garbage. */
const LEADER = "control-plane.alpha.kubernetes.io/leader";

/** Looks at a Service when it, a pod that it selects, or its Endpoints changes. */
export const endpointsController = {
  name: "endpoints-controller",
  aliases: ["endpoint"],
  component: "endpoint-controller",
  serviceAccount: "endpoint-controller",
  async run(context, signal) {
    const { informers } = context;
    const services = informers.services();
    const pods = informers.pods();
    const endpoints = informers.endpoints();
    using queue = context.newQueue();
    const enqueue = (object: Readonly<Service>) => queue.add(objectKey(object));
    using _services = services.addHandler({ onAdd: enqueue, onUpdate: enqueue, onDelete: enqueue });
    using _pods = pods.addHandler(podHandler(services.lister, (key) => queue.add(key)));
    using _endpoints = endpoints.addHandler({
      // Finds what a Service left behind while nobody watched, and what somebody deleted.
      onAdd(object) {
        const isOurs = object.metadata.labels?.[MANAGED_BY] === MANAGER && !object.metadata.annotations?.[LEADER];
        if (isOurs) queue.add(objectKey(object));
      },
      onDelete: (object) => queue.add(objectKey(object)),
    });
    await Promise.all([services.synced(signal), pods.synced(signal), endpoints.synced(signal)]);
    const listers = { services: services.lister, pods: pods.lister, endpoints: endpoints.lister };
    const sync = new EndpointsSync(listers, context);
    await runReconciler(queue, context.config.concurrentEndpointSyncs, (key, stop) => sync.sync(key, stop), {
      signal,
      log: context.log,
      name: this.name,
    });
  },
} satisfies ControllerDefinition;

interface Listers {
  readonly services: Lister<Service>;
  readonly pods: Lister<Pod>;
  readonly endpoints: Lister<Endpoints>;
}

/** One pass over one Service. Endpoints are kept for old readers; kube-proxy goes by EndpointSlices. */
class EndpointsSync {
  private readonly listers: Listers;
  private readonly triggers = new TriggerTimes();
  private readonly context: Pick<ControllerContext, "client" | "recorder">;

  constructor(listers: Listers, context: Pick<ControllerContext, "client" | "recorder">) {
    this.listers = listers;
    this.context = context;
  }

  async sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const service = this.listers.services.get(namespace, name);
    const current = this.listers.endpoints.get(namespace, name);
    // Endpoints have no owner reference: what a deleted Service leaves is deleted here.
    if (!service) {
      this.triggers.forget(key);
      if (current) await this.remove(current, signal);
      return;
    }
    const { selector } = service.spec;
    // Without a selector somebody else says where the Service leads.
    if (!selector || service.spec.type === "ExternalName") return;
    const matcher = selectorFromMap(selector);
    const pods = this.listers.pods.list(namespace).filter((pod) => matcher.matches(pod.metadata.labels));
    const next = buildEndpoints(service, pods, current, this.triggers.next(service, pods));
    if (current && isSame(current, next)) return;
    await this.write(service, next, current, signal);
  }

  private async write(
    service: Readonly<Service>,
    next: Unsaved<Endpoints>,
    current: Readonly<Endpoints> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const client = this.context.client.of(endpointsRef);
    try {
      if (current)
        await client.update({ ...current, ...next, metadata: { ...current.metadata, ...next.metadata } }, { signal });
      else await client.create(service.metadata.namespace ?? "", next, { signal });
    } catch (error) {
      if (!current && isNamespaceTerminating(error)) return;
      // A lost race is repeated from a newer cache, and is no news to anybody.
      if (!isAlreadyExists(error) && !isConflict(error)) {
        const reason = current ? "FailedToUpdateEndpoint" : "FailedToCreateEndpoint";
        const what = `Failed to ${current ? "update" : "create"} endpoint for service ${objectKey(service)}`;
        const why = error instanceof Error ? error.message : String(error);
        const subject = { apiVersion: "v1", kind: "Endpoints", ...objectNameOf(service) };
        this.context.recorder.record(subject, "Warning", reason, `${what}: ${why}`);
      }
      throw error;
    }
  }

  private async remove({ metadata }: Readonly<Endpoints>, signal: AbortSignal): Promise<void> {
    const { namespace = "", name, uid } = metadata;
    try {
      await this.context.client.of(endpointsRef).delete(namespace, name, { uid }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** The Endpoints as they should be; metadata of others stays. */
function buildEndpoints(
  service: Readonly<Service>,
  pods: readonly Readonly<Pod>[],
  current: Readonly<Endpoints> | undefined,
  triggerTime: string | undefined,
): Unsaved<Endpoints> {
  const { subsets, isTruncated } = planEndpoints(service, pods);
  const { [TRIGGER_TIME]: _, [OVER_CAPACITY]: __, ...annotations } = current?.metadata.annotations ?? {};
  if (triggerTime) annotations[TRIGGER_TIME] = triggerTime;
  if (isTruncated) annotations[OVER_CAPACITY] = "truncated";
  const labels = markHeadless({ ...service.metadata.labels, [MANAGED_BY]: MANAGER }, service);
  const { name, namespace } = service.metadata;
  return { ...current, metadata: { ...current?.metadata, name, namespace, labels, annotations }, subsets };
}

function objectNameOf({ metadata: { name, namespace } }: Readonly<Service>): {
  name: string;
  namespace?: string | undefined;
} {
  return { name, namespace };
}

/** Trigger times alone are no reason to write. */
function isSame(current: Readonly<Endpoints>, next: Unsaved<Endpoints>): boolean {
  return comparable(current) === comparable(next);
}

function comparable({ metadata, subsets }: Readonly<Unsaved<Endpoints>>): string {
  const { [TRIGGER_TIME]: _, ...annotations } = metadata.annotations ?? {};
  return stableStringify([metadata.labels ?? {}, annotations, subsets ?? []]);
}
