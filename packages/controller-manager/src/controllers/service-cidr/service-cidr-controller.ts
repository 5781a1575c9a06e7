// The ServiceCIDR controller: ranges are ready once they are protected, and stay until no address needs them.
import { findCondition } from "@skiff/api/conditions.ts";
import { isNotFound } from "@skiff/api/errors.ts";
import { serviceCidrs } from "@skiff/api/resource-ref.ts";
import type { IPAddress, ServiceCIDR } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { WorkQueue } from "@skiff/client/work-queue.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { canDelete, isAllocated, isWithin, PROTECTION_FINALIZER } from "./plan-service-cidr.ts";

/** Apiservers that have not heard of the deletion yet may still give addresses away. */
const DELETION_GRACE_MS = 10_000;

/** Upstream's conditions of the type Ready. */
const READY = { status: "True", reason: "", message: "Kubernetes Service CIDR is ready" };
const HELD = {
  status: "False",
  reason: "Terminating",
  message: "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
};

/** Addresses themselves are the apiservers' to give and to take. */
export const serviceCidrController = {
  name: "service-cidr-controller",
  aliases: ["servicecidr"],
  component: "service-cidr-controller",
  serviceAccount: "service-cidrs-controller",
  async run(context, signal) {
    const cidrs = context.informers.serviceCidrs();
    const addresses = context.informers.ipAddresses();
    using queue = context.newQueue();
    const enqueue = ({ metadata }: Readonly<ServiceCIDR>) => queue.add(metadata.name);
    // Another range may take over the addresses of one that waits to go, or leave it as the last that has them.
    const enqueueAll = () => cidrs.lister.list().forEach(enqueue);
    const enqueueAround = (address: Readonly<IPAddress>) => {
      if (isAllocated(address)) for (const cidr of cidrs.lister.list()) if (isWithin(cidr, address)) enqueue(cidr);
    };
    using _cidrs = cidrs.addHandler({ onAdd: enqueueAll, onUpdate: enqueue, onDelete: enqueueAll });
    using _addresses = addresses.addHandler({ onAdd: enqueueAround, onDelete: enqueueAround });
    await Promise.all([cidrs.synced(signal), addresses.synced(signal)]);
    const keeper = new CidrKeeper(cidrs.lister, addresses.lister, queue, context);
    const sync = (name: string, stop: AbortSignal) => keeper.sync(name, stop);
    await runReconciler(queue, 1, sync, { signal, log: context.log, name: this.name });
  },
} satisfies ControllerDefinition;

/** One pass over one range; only the time since which it could go is kept in memory. */
class CidrKeeper {
  private readonly cidrs: Lister<ServiceCIDR>;
  private readonly addresses: Lister<IPAddress>;
  private readonly queue: WorkQueue<string>;
  private readonly context: ControllerContext;
  /** Since when a range could go, by name and monotonic time. */
  private readonly free = new Map<string, number>();

  constructor(
    cidrs: Lister<ServiceCIDR>,
    addresses: Lister<IPAddress>,
    queue: WorkQueue<string>,
    context: ControllerContext,
  ) {
    this.cidrs = cidrs;
    this.addresses = addresses;
    this.queue = queue;
    this.context = context;
  }

  async sync(name: string, signal: AbortSignal): Promise<void> {
    const cidr = this.cidrs.get("", name);
    if (!cidr?.metadata.deletionTimestamp) this.free.delete(name);
    if (!cidr) return;
    if (cidr.metadata.deletionTimestamp) await this.letGo(cidr, signal);
    else {
      await this.patchFinalizer(cidr, !isProtected(cidr), [PROTECTION_FINALIZER], signal);
      await this.setReady(cidr, READY, signal);
    }
  }

  private async letGo(cidr: Readonly<ServiceCIDR>, signal: AbortSignal): Promise<void> {
    const { name } = cidr.metadata;
    if (!canDelete(cidr, this.cidrs.list(), this.addresses.list())) {
      this.free.delete(name);
      await this.setReady(cidr, HELD, signal);
      return;
    }
    const now = this.context.clock.monotonic();
    const since = this.free.get(name) ?? now;
    this.free.set(name, since);
    const left = since + DELETION_GRACE_MS - now;
    if (left > 0) this.queue.addAfter(name, left);
    else await this.patchFinalizer(cidr, isProtected(cidr), undefined, signal);
  }

  /** Adds the finalizer, or takes it away where `finalizers` is undefined. */
  private async patchFinalizer(
    { metadata }: Readonly<ServiceCIDR>,
    isNeeded: boolean,
    finalizers: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (!isNeeded) return;
    const patch = finalizers ? { finalizers } : { "$deleteFromPrimitiveList/finalizers": [PROTECTION_FINALIZER] };
    await this.patch(metadata.name, { metadata: patch }, signal);
  }

  private async setReady(
    cidr: Readonly<ServiceCIDR>,
    wanted: { readonly status: string; readonly reason: string; readonly message: string },
    signal: AbortSignal,
  ): Promise<void> {
    const current = findCondition(cidr.status?.conditions, "Ready");
    // The default range is made ready by the apiserver, in words of its own.
    const isSame = current?.status === wanted.status && (wanted === READY || current.message === wanted.message);
    if (isSame) return;
    const lastTransitionTime = formatTime(this.context.clock.now());
    const conditions = [{ type: "Ready", ...wanted, lastTransitionTime }];
    await this.patch(cidr.metadata.name, { status: { conditions } }, signal, "status");
  }

  private async patch(name: string, body: object, signal: AbortSignal, subresource?: string): Promise<void> {
    const options = { signal, ...(subresource ? { subresource } : {}) };
    await this.context.client
      .of(serviceCidrs)
      .patch("", name, "strategic", body, options)
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
}

function isProtected({ metadata }: Readonly<ServiceCIDR>): boolean {
  return metadata.finalizers?.includes(PROTECTION_FINALIZER) ?? false;
}
