// Who owns an object, and how a controller says that it does.
import type { OwnerReference } from "../generated/types.ts";
import { groupVersion, type KubeObject } from "./object.ts";

/** The one owner that manages the object: at most one reference has `controller: true`. Others merely keep it alive. */
export function controllerOf(object: {
  metadata: { ownerReferences?: readonly OwnerReference[] | undefined };
}): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

/** The reference that makes `owner` the controller; deleting it in the foreground waits for the object. */
export function newControllerRef(
  owner: Readonly<KubeObject>,
  type: { group: string; version: string; kind: string },
): OwnerReference {
  return {
    apiVersion: groupVersion(type.group, type.version),
    kind: type.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
