// The ConfigMaps and Secrets that pods of this node refer to: one watch for each, for as long as a pod needs it.

import { isApiError } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { configMaps, secrets } from "@skiff/api/resource-ref.ts";
import type { ConfigMap, Pod, Secret } from "@skiff/api/types.ts";
import { Informer } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { PodObjects } from "../env/make-env.ts";

/** A pod's start waits for the answer. */
const READ_TIMEOUT_MS = 10_000;

/** Resource, namespace and name. */
type Key = `${"configmaps" | "secrets"}/${string}/${string}`;

interface Entry {
  readonly informer: Informer<KubeObject>;
  readonly stop: AbortController;
  readonly users: Set<string>;
}

/** Which ConfigMaps and Secrets a pod names anywhere in its spec. */
export function referencedObjects(pod: Pod): Set<Key> {
  const namespace = pod.metadata.namespace ?? "";
  const keys = new Set<Key>();
  const add = (plural: "configmaps" | "secrets", name: string | undefined) => {
    if (name) keys.add(`${plural}/${namespace}/${name}`);
  };
  const spec = pod.spec;
  for (const secret of spec?.imagePullSecrets ?? []) add("secrets", secret.name);
  for (const volume of spec?.volumes ?? []) {
    add("configmaps", volume.configMap?.name);
    add("secrets", volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      add("configmaps", source.configMap?.name);
      add("secrets", source.secret?.name);
    }
  }
  const containers = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  for (const container of containers) {
    for (const source of container.envFrom ?? []) {
      add("configmaps", source.configMapRef?.name);
      add("secrets", source.secretRef?.name);
    }
    for (const variable of container.env ?? []) {
      add("configmaps", variable.valueFrom?.configMapKeyRef?.name);
      add("secrets", variable.valueFrom?.secretKeyRef?.name);
    }
  }
  return keys;
}

/** One watch per object and not one for all: the node authorizer lets a kubelet see only what its pods refer to. */
export class ObjectCache implements PodObjects {
  private readonly client: RestClient;
  private readonly deps: { clock: Clock; log: Logger };
  private readonly signal: AbortSignal;
  private readonly entries = new Map<Key, Entry>();
  private readonly pods = new Map<string, Set<Key>>();
  /** Told which pods (by UID) refer to an object that changed. */
  onChange: (podUids: readonly string[]) => void = () => {};

  /** `signal` ends all watches. */
  constructor(client: RestClient, deps: { clock: Clock; log: Logger }, signal: AbortSignal) {
    this.client = client;
    this.deps = deps;
    this.signal = signal;
  }

  /** Watches what `pod` names, and nothing more for it. */
  register(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const wanted = referencedObjects(pod);
    const before = this.pods.get(uid) ?? new Set();
    this.pods.set(uid, wanted);
    for (const key of wanted.difference(before)) this.acquire(key, uid);
    for (const key of before.difference(wanted)) this.release(key, uid);
  }

  /** The pod is over; watches that nobody else needs end. */
  unregister(uid: string): void {
    for (const key of this.pods.get(uid) ?? []) this.release(key, uid);
    this.pods.delete(uid);
  }

  /** Undefined where there is none. A cached object may be a moment old. */
  configMap(namespace: string, name: string, signal: AbortSignal): Promise<Readonly<ConfigMap> | undefined> {
    return this.read(configMaps, `configmaps/${namespace}/${name}`, namespace, name, signal);
  }

  secret(namespace: string, name: string, signal: AbortSignal): Promise<Readonly<Secret> | undefined> {
    return this.read(secrets, `secrets/${namespace}/${name}`, namespace, name, signal);
  }

  private async read<T extends KubeObject>(
    ref: ResourceRef<T>,
    key: Key,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<Readonly<T> | undefined> {
    const entry = this.entries.get(key);
    if (entry?.informer.hasSynced) {
      const found = entry.informer.lister.get(namespace, name);
      if (found) return found as Readonly<T>;
    }
    // Not (yet) in the cache: a pod may arrive before the watch has seen an object that was made just before it.
    try {
      return await this.client.of(ref).get(namespace, name, { signal, timeoutMs: READ_TIMEOUT_MS });
    } catch (error) {
      if (isApiError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  private acquire(key: Key, uid: string): void {
    const known = this.entries.get(key);
    if (known) {
      known.users.add(uid);
      return;
    }
    const [plural, namespace = "", name = ""] = key.split("/");
    const ref: ResourceRef = plural === "configmaps" ? configMaps : secrets;
    const options = { namespace, fieldSelector: `metadata.name=${name}` };
    const informer = new Informer<KubeObject>(this.client.of(ref), options, this.deps);
    const entry: Entry = { informer, stop: new AbortController(), users: new Set([uid]) };
    // The first list brings nothing new: the pod that asked for it reads the object by itself.
    const changed = () => informer.hasSynced && this.onChange([...entry.users]);
    informer.addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed });
    this.entries.set(key, entry);
    const signal = AbortSignal.any([entry.stop.signal, this.signal]);
    informer.run(signal).catch((error) => {
      if (!signal.aborted) this.deps.log.warn({ err: error, object: key }, "watch of a pod's object ended");
    });
  }

  private release(key: Key, uid: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    entry.users.delete(uid);
    if (entry.users.size > 0) return;
    entry.stop.abort();
    this.entries.delete(key);
  }
}
