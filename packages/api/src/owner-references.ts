// Who owns an object, and how a controller says that it does.
import type { OwnerReference } from "../generated/types.ts";
import { groupVersion, type KubeObject } from "./object.ts";

/** The one owner that manages the object. */
export function controllerOf(object: {
  metadata: { ownerReferences?: readonly OwnerReference[] | undefined };
}): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

export function isControlledBy(
  object: { metadata: { ownerReferences?: readonly OwnerReference[] | undefined } },
  owner: { metadata: { uid: string } },
): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
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
