// One metadata-only watch for each resource that can be collected; follows what the apiserver serves.

import type { KubeObject } from "@skiff/api/object.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { Informer } from "@skiff/client/informer.ts";
import type { ControllerContext } from "../controller-definition.ts";
import type { DiscoveredResource } from "../discover-resources.ts";
import { discoverResources } from "../discover-resources.ts";
import { MetadataClient } from "../metadata-client.ts";

/** Events come in masses, own nothing and vanish by themselves. */
const IGNORED: ReadonlySet<string> = new Set(["events", "events.events.k8s.io"]);

/** Called synchronously, in the order of the watch. */
export interface MonitorEvents {
  onObject(object: Readonly<KubeObject>): void;
  onGone(object: Readonly<KubeObject>): void;
  onKindGone(apiVersion: string, kind: string): void;
}

/** One watch, which ends when its resource is served no more. */
interface Monitor {
  readonly ref: ResourceRef;
  readonly informer: Informer<KubeObject>;
  readonly stop: AbortController;
  readonly running: Promise<void>;
}

/** The watches of all collectable resources. One that fails retries by itself and holds nothing else up. */
export class ResourceMonitors {
  private readonly context: Pick<ControllerContext, "client" | "clock" | "log">;
  private readonly events: MonitorEvents;
  private readonly monitors = new Map<string, Monitor>();
  private kinds: ReadonlyMap<string, ResourceRef> = new Map();
  private readonly discovered = Promise.withResolvers<void>();

  constructor(context: Pick<ControllerContext, "client" | "clock" | "log">, events: MonitorEvents) {
    this.context = context;
    this.events = events;
  }

  /** The resource of a kind; undefined when the apiserver serves none, as far as is known. */
  resourceOf(apiVersion: string, kind: string): ResourceRef | undefined {
    return this.kinds.get(`${apiVersion}/${kind}`) ?? this.kinds.get(`${groupOf(apiVersion)}//${kind}`);
  }

  /** Starts and stops watches as discovery says. Resources of groups that do not answer are left as they are. */
  async resync(signal: AbortSignal): Promise<void> {
    const { resources, failures } = await discoverResources(this.context.client, signal);
    // A group that does not answer (an aggregated API that is down) may still have objects: nothing is concluded from its silence.
    const failed = (ref: ResourceRef) => failures.has(groupVersion(ref.group, ref.version));
    this.kinds = new Map([...[...this.kinds].filter(([, ref]) => failed(ref)), ...resources.flatMap(kindKeys)]);
    const wanted = new Map(resources.filter(isCollectable).map((ref) => [keyOf(ref), ref]));
    for (const [key, monitor] of this.monitors) {
      if (!wanted.has(key) && !failed(monitor.ref)) await this.stop(key, monitor);
    }
    for (const [key, ref] of wanted) if (!this.monitors.has(key)) this.start(key, ref, signal);
    this.discovered.resolve();
    if (failures.size > 0)
      this.context.log.warn({ failures: Object.fromEntries(failures) }, "some groups do not answer discovery");
  }

  /** Resolves once discovery has answered and every watch has its first list. */
  async synced(signal: AbortSignal): Promise<void> {
    await this.discovered.promise;
    await Promise.all([...this.monitors.values()].map(({ informer }) => informer.synced(signal)));
  }

  /** Resolves once all watches have ended; they do so with the signal that `resync` was given. */
  async ended(): Promise<void> {
    await Promise.all([...this.monitors.values()].map(({ running }) => running));
  }

  private start(key: string, ref: ResourceRef, signal: AbortSignal): void {
    const informer = new Informer(new MetadataClient(this.context.client, ref), { transform: strip }, this.context);
    informer.addHandler({
      onAdd: (object) => this.events.onObject(object),
      onUpdate: (object) => this.events.onObject(object),
      onDelete: (object) => this.events.onGone(object),
    });
    const stop = new AbortController();
    const running = informer.run(AbortSignal.any([signal, stop.signal]));
    this.monitors.set(key, { ref, informer, stop, running });
    this.context.log.debug({ resource: key }, "watching for garbage");
  }

  private async stop(key: string, { ref, stop, running }: Monitor): Promise<void> {
    stop.abort();
    await running;
    this.monitors.delete(key);
    this.events.onKindGone(groupVersion(ref.group, ref.version), ref.kind);
  }
}

/** Only what the graph reads is kept: it is there for every object of the cluster. */
function strip({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, finalizers, ownerReferences } =
    metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      creationTimestamp,
      deletionTimestamp,
      finalizers,
      ownerReferences,
    },
  };
}

function isCollectable(ref: DiscoveredResource): boolean {
  const name = ref.group ? `${ref.plural}.${ref.group}` : ref.plural;
  return !IGNORED.has(name) && ["delete", "list", "watch"].every((verb) => ref.verbs.includes(verb));
}

function keyOf({ group, version, plural }: ResourceRef): string {
  return `${plural}.${version}.${group}`;
}

/** References may name another version of the group than the one that is watched. */
function kindKeys(ref: DiscoveredResource): [string, ResourceRef][] {
  const { group, version, kind } = ref;
  return [
    [`${groupVersion(group, version)}/${kind}`, ref],
    [`${group}//${kind}`, ref],
  ];
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}
