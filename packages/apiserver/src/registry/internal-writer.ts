// Writes by the apiserver itself: defaults and validation apply, admission does not.

import { isNotFound } from "@skiff/api/errors.ts";
import type { WriteRules } from "@skiff/api/kind.ts";
import type { KubeObject, Unsaved } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { createObject } from "./create-object.ts";
import { deleteObject } from "./delete-object.ts";
import type { ObjectWriter } from "./object-access.ts";
import type { ResourceTable } from "./resource-table.ts";
import { updateObject } from "./update-object.ts";
import type { WriteDeps, WriteOptions } from "./write-options.ts";

/**
 * For bootstrap, allocators and repairs: their objects must not depend on plug-ins, which may not be ready yet. Updates
 * retry on conflict; deleting what is gone is fine.
 */
export class InternalWriter implements ObjectWriter {
  private readonly deps: WriteDeps;
  private readonly resources: ResourceTable;

  constructor(deps: WriteDeps, resources: ResourceTable) {
    // Only admission goes: a Service that is written here still takes its address through the hooks.
    this.deps = { ...deps, admission: [] };
    this.resources = resources;
  }

  async create<T extends KubeObject>(
    ref: ResourceRef<T>,
    object: Unsaved<T>,
    signal: AbortSignal,
  ): Promise<Readonly<T>> {
    const kind = this.kindOf(ref);
    const copy = structuredClone(object) as unknown as KubeObject;
    const stored = await createObject(this.deps, kind, copy.metadata.namespace ?? "", copy, internalOptions(signal));
    return stored.object() as Readonly<T>;
  }

  async update<T extends KubeObject>(
    ref: ResourceRef<T>,
    namespace: string,
    name: string,
    change: (current: T) => T | undefined,
    signal: AbortSignal,
    subresource = "",
  ): Promise<Readonly<T>> {
    const kind = this.kindOf(ref);
    const update = {
      rules: rulesFor(kind, subresource),
      trusted: true,
      next: (current: { copy(): KubeObject }) => change(current.copy() as T) ?? current.copy(),
    };
    const key = namespace ? `${namespace}/${name}` : name;
    const stored = await updateObject(this.deps, kind, key, update, internalOptions(signal, subresource));
    return stored.object() as Readonly<T>;
  }

  async delete<T extends KubeObject>(
    ref: ResourceRef<T>,
    namespace: string,
    name: string,
    signal: AbortSignal,
    uid?: string,
  ): Promise<void> {
    const key = namespace ? `${namespace}/${name}` : name;
    try {
      await deleteObject(
        this.deps,
        this.kindOf(ref),
        key,
        // At once: what the server makes for itself has nothing to end gracefully.
        { gracePeriodSeconds: 0, uid },
        internalOptions(signal),
        true,
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private kindOf(ref: ResourceRef): StorageKind {
    return this.resources.require(ref.group, ref.plural);
  }
}

/** The rules of a way of writing an object: itself, its status, or another subresource with rules of its own. */
export function rulesFor(kind: StorageKind, subresource: string): WriteRules<KubeObject> {
  const { definition } = kind;
  if (subresource === "") return definition;
  const rules =
    subresource === "status" ? definition.status : definition.subresources.find((s) => s.name === subresource)?.rules;
  if (!rules) throw new Error(`${definition.plural} have no writable subresource ${subresource}`);
  return rules;
}

/** The apiserver writes as itself. */
export function internalOptions(signal: AbortSignal, subresource = ""): WriteOptions {
  return { user: APISERVER, dryRun: false, subresource, fieldManager: "kube-apiserver", signal, warn: () => {} };
}

/** The name and group of upstream's loopback client. */
const APISERVER = { name: "system:apiserver", groups: ["system:masters"], extra: {} } as const;
