// The endpointslice controller: keeps the EndpointSlices of each Service with a selector.
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import { stableStringify } from "@skiff/api/hash.ts";
import { selectorFromMap } from "@skiff/api/labels.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { objectKey, splitKey } from "@skiff/api/object.ts";
import { newControllerRef } from "@skiff/api/owner-references.ts";
import { endpointSlices, services as servicesRef } from "@skiff/api/resource-ref.ts";
import type { EndpointSlice, Node, Pod, Service } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import {
  HEADLESS_LABEL,
  markHeadless,
  podHandler,
  servicesSelecting,
  TRIGGER_TIME,
} from "../endpoints/service-pods.ts";
import { TriggerTimes } from "../endpoints/trigger-times.ts";
import { isNamespaceTerminating } from "../namespace-terminating.ts";
import { runReconciler } from "../run-reconciler.ts";
import { BY_NODE, BY_SERVICE, SERVICE_NAME_LABEL } from "../shared-informers.ts";
import type { AddressType } from "./build-endpoints.ts";
import { addressTypesOf, buildEndpointGroups } from "./build-endpoints.ts";
import type { SlicesPlan, SliceWrite } from "./plan-slices.ts";
import { planSlices } from "./plan-slices.ts";
import { GIVE_UP_AFTER_MS, SliceTracker } from "./slice-tracker.ts";

/** Who keeps a slice; upstream's names for the label and for this controller. */
const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslice-controller.k8s.io";

/** Looks at a Service when it, a pod that it selects, a slice of ours, or a node that was unknown changes. */
export const endpointSliceController = {
  name: "endpointslice-controller",
  aliases: ["endpointslice"],
  component: "endpoint-slice-controller",
  serviceAccount: "endpointslice-controller",
  async run(context, signal) {
    const { informers } = context;
    const [services, pods, slices, nodes] = [
      informers.services(),
      informers.pods(),
      informers.endpointSlices(),
      informers.nodes(),
    ];
    const tracker = new SliceTracker(context.clock);
    using queue = context.newQueue();
    const enqueue = (service: Readonly<Service>) => queue.add(objectKey(service));
    using _services = services.addHandler({ onAdd: enqueue, onUpdate: enqueue, onDelete: enqueue });
    using _pods = pods.addHandler(podHandler(services.lister, (key) => queue.add(key)));
    const onSlice = (slice: Readonly<EndpointSlice>) => {
      if (isOurs(slice)) queue.add(serviceKeyOf(slice));
    };
    using _slices = slices.addHandler({
      onAdd: onSlice,
      onUpdate(slice, old) {
        // Somebody may have changed the labels by which it is ours: the Service then lacks what it held, and must not wait for it.
        const isLost = isOurs(old) && !(isOurs(slice) && serviceKeyOf(slice) === serviceKeyOf(old));
        if (isLost) tracker.removed(serviceKeyOf(old), old.metadata.uid);
        onSlice(old);
        onSlice(slice);
      },
      onDelete(slice) {
        tracker.removed(serviceKeyOf(slice), slice.metadata.uid);
        onSlice(slice);
      },
    });
    using _nodes = nodes.addHandler({
      // Pods whose node was unknown were left out.
      onAdd(node) {
        const keys = pods.lister
          .byIndex(BY_NODE, node.metadata.name)
          .flatMap((pod) => servicesSelecting(services.lister, pod));
        for (const key of new Set(keys)) queue.add(key);
      },
    });
    await Promise.all([services, pods, slices, nodes].map((informer) => informer.synced(signal)));
    const listers = { services: services.lister, pods: pods.lister, slices: slices.lister, nodes: nodes.lister };
    const recheck = (key: string) => queue.addAfter(key, GIVE_UP_AFTER_MS);
    const sync = new EndpointSliceSync(listers, tracker, recheck, context);
    await runReconciler(queue, context.config.concurrentServiceEndpointSyncs, (key, stop) => sync.sync(key, stop), {
      signal,
      log: context.log,
      name: this.name,
    });
  },
} satisfies ControllerDefinition;

interface Listers {
  readonly services: Lister<Service>;
  readonly pods: Lister<Pod>;
  readonly slices: Lister<EndpointSlice>;
  readonly nodes: Lister<Node>;
}

type Context = Pick<ControllerContext, "client" | "recorder" | "log" | "config">;

/** One pass over one Service: plans from the cache, writes, and notes what it wrote until the cache shows it. */
class EndpointSliceSync {
  private readonly listers: Listers;
  private readonly tracker: SliceTracker;
  private readonly triggers = new TriggerTimes();
  private readonly recheck: (key: string) => void;
  private readonly context: Context;

  constructor(listers: Listers, tracker: SliceTracker, recheck: (key: string) => void, context: Context) {
    this.listers = listers;
    this.recheck = recheck;
    this.tracker = tracker;
    this.context = context;
  }

  async sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const service = this.listers.services.get(namespace, name);
    if (!service) {
      // The slices go with their owner, by the garbage collector.
      this.triggers.forget(key);
      this.tracker.forget(key);
      return;
    }
    const { selector, type } = service.spec;
    if (!selector || type === "ExternalName" || service.metadata.deletionTimestamp) return;
    // Others (EndpointSliceMirroring, a mesh) keep slices of the same Service, and are left alone.
    const existing = this.listers.slices.byIndex(BY_SERVICE, key).filter(isOurs);
    // The write that the cache lacks comes as an event, which brings the key back.
    if (this.tracker.isBehind(key, existing)) return this.recheck(key);
    const matcher = selectorFromMap(selector);
    const pods = this.listers.pods.list(namespace).filter((pod) => matcher.matches(pod.metadata.labels));
    const triggerTime = this.triggers.next(service, pods);
    const types = addressTypesOf(service);
    for (const addressType of types) {
      const plan = this.plan(service, pods, addressType, existing);
      await this.carryOut(service, addressType, plan, triggerTime, signal);
    }
    // After a change from dual-stack to one IP version.
    const superfluous = existing.filter((slice) => !types.some((addressType) => addressType === slice.addressType));
    for (const slice of superfluous) await this.remove(key, slice, signal);
  }

  /** Pure but for the listers: what is to be written and removed for one address type. */
  private plan(
    service: Readonly<Service>,
    pods: readonly Readonly<Pod>[],
    addressType: AddressType,
    existing: readonly Readonly<EndpointSlice>[],
  ): SlicesPlan {
    const { groups, missingNodes } = buildEndpointGroups(service, pods, addressType, (name) =>
      this.listers.nodes.get("", name),
    );
    if (missingNodes.length > 0) {
      this.context.log.debug({ service: objectKey(service), nodes: missingNodes }, "pods on unknown nodes left out");
    }
    const slices = existing.filter((slice) => slice.addressType === addressType && !slice.metadata.deletionTimestamp);
    const isStale = (slice: Readonly<EndpointSlice>) =>
      stableStringify(slice.metadata.labels ?? {}) !== stableStringify(labelsFor(service)) ||
      !slice.metadata.ownerReferences?.some((owner) => owner.uid === service.metadata.uid);
    return planSlices(groups, slices, this.context.config.maxEndpointsPerSlice, isStale);
  }

  private async carryOut(
    service: Readonly<Service>,
    addressType: AddressType,
    plan: SlicesPlan,
    triggerTime: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const key = objectKey(service);
    for (const write of plan.write) {
      try {
        // Noted at once: the next pass must not plan on slices from before this write.
        this.tracker.wrote(key, await this.write(service, addressType, write, triggerTime, signal));
      } catch (error) {
        if (!write.slice && isNamespaceTerminating(error)) return;
        // A lost race is repeated and no news to anybody.
        if (!isConflict(error)) this.reportFailure(service, error);
        throw error;
      }
    }
    for (const slice of plan.remove) await this.remove(key, slice, signal);
  }

  private reportFailure(service: Readonly<Service>, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    const message = `Error updating Endpoint Slices for Service ${objectKey(service)}: ${why}`;
    this.context.recorder.record(
      { ref: servicesRef, object: service },
      "Warning",
      "FailedToUpdateEndpointSlices",
      message,
    );
  }

  private async write(
    service: Readonly<Service>,
    addressType: AddressType,
    { slice, ports, endpoints }: SliceWrite,
    triggerTime: string | undefined,
    signal: AbortSignal,
  ): Promise<EndpointSlice> {
    const client = this.context.client.of(endpointSlices);
    const content = { addressType, endpoints: [...endpoints], ports: [...ports] };
    const labels = labelsFor(service);
    const ownerReferences = [newControllerRef(service, servicesRef)];
    const { [TRIGGER_TIME]: _, ...others } = slice?.metadata.annotations ?? {};
    const annotations = triggerTime ? { ...others, [TRIGGER_TIME]: triggerTime } : others;
    const metadata = { labels, ownerReferences, annotations };
    if (slice) return client.update({ ...slice, ...content, metadata: { ...slice.metadata, ...metadata } }, { signal });
    const { name, namespace = "" } = service.metadata;
    const created: Unsaved<EndpointSlice> = {
      ...content,
      metadata: { ...metadata, generateName: `${name}-`, namespace },
    };
    return client.create(namespace, created, { signal });
  }

  private async remove(serviceKey: string, { metadata }: Readonly<EndpointSlice>, signal: AbortSignal): Promise<void> {
    const { namespace = "", name, uid } = metadata;
    try {
      await this.context.client.of(endpointSlices).delete(namespace, name, { uid }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.tracker.removed(serviceKey, uid);
  }
}

/** The Service's own labels and those by which slices are found, which a Service cannot change. */
function labelsFor(service: Readonly<Service>): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...own } = service.metadata.labels ?? {};
  const { name } = service.metadata;
  return markHeadless({ ...own, [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGER }, service);
}

function isOurs(slice: Readonly<EndpointSlice>): boolean {
  return slice.metadata.labels?.[MANAGED_BY_LABEL] === MANAGER;
}

function serviceKeyOf(slice: Readonly<EndpointSlice>): string {
  return `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME_LABEL]}`;
}
