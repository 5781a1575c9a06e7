// The object that a requested token is to be bound to, as claims.
import { badRequest, conflict, notFound } from "@skiff/api/errors.ts";
import { nodes, pods, secrets } from "@skiff/api/resource-ref.ts";
import type { BoundObjectReference } from "@skiff/api/types.ts";
import type { ObjectClaim, ServiceAccountClaims } from "../authn/service-account-token.ts";
import type { ObjectReader } from "../registry/object-access.ts";

/** At most one object, and with a pod the node that it runs on. The token is void once that object is gone. */
export type BindingClaims = Pick<ServiceAccountClaims, "pod" | "node" | "secret">;

/** Throws what upstream throws when there is no such object, another uid, or a pod of another account. */
export async function resolveBinding(
  reference: BoundObjectReference | undefined,
  account: { readonly namespace: string; readonly name: string },
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<BindingClaims> {
  if (!reference) return {};
  const name = reference.name ?? "";
  switch (`${reference.apiVersion}/${reference.kind}`) {
    case "v1/Pod":
      return bindToPod(reference, account, reader, signal);
    case "v1/Node": {
      const node = await reader.getLatest(nodes, "", name, signal);
      if (!node) throw notFound(nodes, name);
      return { node: claimOf(reference, node.metadata.uid) };
    }
    case "v1/Secret": {
      const secret = await reader.getLatest(secrets, account.namespace, name, signal);
      if (!secret) throw notFound(secrets, name);
      return { secret: claimOf(reference, secret.metadata.uid) };
    }
    default:
      throw badRequest(`cannot bind token to object of type ${reference.apiVersion}, Kind=${reference.kind}`);
  }
}

/** 400 for a pod of another account: its node could otherwise ask for tokens of any account. */
async function bindToPod(
  reference: BoundObjectReference,
  account: { readonly namespace: string; readonly name: string },
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<BindingClaims> {
  const name = reference.name ?? "";
  const pod = await reader.getLatest(pods, account.namespace, name, signal);
  if (!pod) throw notFound(pods, name);
  if (pod.spec.serviceAccountName !== account.name) {
    throw badRequest(
      `cannot bind token for serviceaccount "${account.name}" to pod running with different serviceaccount name.`,
    );
  }
  const claim = claimOf(reference, pod.metadata.uid);
  const { nodeName } = pod.spec;
  if (!nodeName) return { pod: claim };
  // The node is told for information: a pod's token lives as long as the pod, whatever becomes of the Node object.
  const node = await reader.getLatest(nodes, "", nodeName, signal);
  return { pod: claim, node: { name: nodeName, uid: node?.metadata.uid ?? "" } };
}

/** Throws 409 where a UID was named and another object has the name now. */
function claimOf(reference: BoundObjectReference, uid: string): ObjectClaim {
  const name = reference.name ?? "";
  if (reference.uid && reference.uid !== uid) {
    throw conflict(
      { group: "", plural: reference.kind ?? "" },
      name,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { name, uid };
}
