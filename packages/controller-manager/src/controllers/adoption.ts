// Who owns what: a controller keeps its matching objects, adopts matching orphans and releases what no longer matches.
import { isNotFound } from "@skiff/api/errors.ts";
import type { Selector } from "@skiff/api/labels.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { controllerOf, newControllerRef } from "@skiff/api/owner-references.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";

/** The three lists share no object; an object in none of them is somebody else's. */
export interface ClaimPlan<T> {
  readonly owned: readonly T[];
  readonly adopt: readonly T[];
  readonly release: readonly T[];
}

/** Upstream's ControllerRefManager.ClaimObject for a list: what `owner` has, takes and lets go. An owner on its way out does neither. */
export function planClaims<T extends KubeObject>(
  owner: Readonly<KubeObject>,
  selector: Selector,
  candidates: readonly T[],
): ClaimPlan<T> {
  const plan = { owned: [] as T[], adopt: [] as T[], release: [] as T[] };
  const ownerLeaves = owner.metadata.deletionTimestamp !== undefined;
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const matches = selector.matches(candidate.metadata.labels);
    if (controller) {
      // A name may have had other owners; a UID has one for ever.
      if (controller.uid !== owner.metadata.uid) continue;
      if (matches) plan.owned.push(candidate);
      else if (!ownerLeaves) plan.release.push(candidate);
    } else if (matches && !ownerLeaves && candidate.metadata.deletionTimestamp === undefined) {
      plan.adopt.push(candidate);
    }
  }
  return plan;
}

/** Clients of the owners, which are only read, and of what is claimed. */
export interface ClaimTarget<T extends KubeObject, Owner extends KubeObject> {
  readonly ownerRef: ResourceRef<Owner>;
  readonly owners: ResourceClient<Owner>;
  readonly objects: ResourceClient<T>;
}

/** Carries out a plan and returns the objects that `owner` now has. The owner is read live before it adopts. */
export async function claim<T extends KubeObject, Owner extends KubeObject>(
  target: ClaimTarget<T, Owner>,
  owner: Readonly<Owner>,
  plan: ClaimPlan<T>,
  signal: AbortSignal,
): Promise<T[]> {
  const adopted: T[] = [];
  if (plan.adopt.length > 0 && (await canAdopt(target, owner, signal))) {
    for (const object of plan.adopt) {
      const result = await adopt(target, owner, object, signal);
      if (result) adopted.push(result);
    }
  }
  // One by one: each is a write of its own, and a crash between them leaves the rest for the next pass.
  for (const object of plan.release) await release(target, owner, object, signal);
  return [...plan.owned, ...adopted];
}

/** The cached owner may be stale: adopting for one that is gone, replaced or leaving would hand objects to the collector. */
async function canAdopt<T extends KubeObject, Owner extends KubeObject>(
  { owners }: ClaimTarget<T, Owner>,
  owner: Readonly<Owner>,
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace = "", name, uid } = owner.metadata;
  try {
    const live = await owners.get(namespace, name, { signal });
    return live.metadata.uid === uid && live.metadata.deletionTimestamp === undefined;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function adopt<T extends KubeObject, Owner extends KubeObject>(
  { objects, ownerRef }: ClaimTarget<T, Owner>,
  owner: Readonly<Owner>,
  object: T,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { namespace = "", name, uid } = object.metadata;
  // The UID in the patch makes the server refuse an object of the same name that came later.
  const body = { metadata: { uid, ownerReferences: [newControllerRef(owner, ownerRef)] } };
  try {
    return await objects.patch(namespace, name, "strategic", body, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function release<T extends KubeObject, Owner extends KubeObject>(
  { objects }: ClaimTarget<T, Owner>,
  owner: Readonly<Owner>,
  object: T,
  signal: AbortSignal,
): Promise<void> {
  const { namespace = "", name, uid } = object.metadata;
  // Other owners' references stay: the list merges by UID.
  const body = { metadata: { uid, ownerReferences: [{ $patch: "delete", uid: owner.metadata.uid }] } };
  try {
    await objects.patch(namespace, name, "strategic", body, { signal });
  } catch (error) {
    // Gone, or another object of that name: either way there is nothing left to release.
    if (!isNotFound(error) && !isInvalid(error)) throw error;
  }
}

function isInvalid(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === 422;
}
