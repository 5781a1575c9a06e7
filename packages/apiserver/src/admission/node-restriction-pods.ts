// What a kubelet may do to pods: mirror its static pods, report status, evict and delete its own, ask for their tokens.
import { notFound } from "@skiff/api/errors.ts";
import { csiDrivers, nodes, persistentVolumeClaims, persistentVolumes, pods } from "@skiff/api/resource-ref.ts";
import type { AuthenticationV1TokenRequest, Pod } from "@skiff/api/types.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { MIRROR_ANNOTATION, podReferences } from "../authz/pod-references.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionRequest } from "./admission.ts";
import { refuse } from "./refusal.ts";

/** Throws 403 for anything else and 404 for a pod that does not exist. */
export async function admitPod(
  request: AdmissionRequest,
  nodeName: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<void> {
  switch (request.subresource) {
    case "":
      if (request.operation === "CREATE") return admitMirrorPod(request, nodeName, reader, signal);
      if (request.operation === "DELETE") return requireOwnPod(request, nodeName, "delete pods", reader, signal);
      throw refuse(
        request,
        `unexpected operation "${request.operation}", node "${nodeName}" can only create and delete mirror pods`,
      );
    case "status":
      return admitPodStatus(request, nodeName);
    case "eviction":
      return requireOwnPod(request, nodeName, "evict pods", reader, signal);
    default:
      throw refuse(
        request,
        `unexpected pod subresource "${request.subresource}", only 'status' and 'eviction' are allowed`,
      );
  }
}

/** Labels are policy: by changing them a node could draw a pod into Services and network policies. */
function admitPodStatus(request: AdmissionRequest, nodeName: string): void {
  if (request.operation !== "UPDATE") throw refuse(request, `unexpected operation "${request.operation}"`);
  const [next, previous] = [request.object as Pod, request.oldObject as Pod];
  if (previous.spec.nodeName !== nodeName) {
    throw refuse(request, `node "${nodeName}" can only update pod status for pods with spec.nodeName set to itself`);
  }
  if (JSON.stringify(next.metadata.labels ?? {}) !== JSON.stringify(previous.metadata.labels ?? {})) {
    throw refuse(request, `node "${nodeName}" cannot update labels through pod status`);
  }
  // Claims that a status names may be read by the pod's node, so the node must not name them itself.
  for (const field of ["resourceClaimStatuses", "extendedResourceClaimStatus"] as const) {
    if (JSON.stringify(next.status?.[field] ?? []) === JSON.stringify(previous.status?.[field] ?? [])) continue;
    throw refuse(request, `node "${nodeName}" cannot update resource claim statuses`);
  }
}

/** Deleting the pods of another node would move its work about. */
async function requireOwnPod(
  request: AdmissionRequest,
  nodeName: string,
  action: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<void> {
  const pod = await reader.getLatest(pods, request.namespace, request.name, signal);
  if (!pod) throw notFound(pods, request.name);
  if (pod.spec.nodeName !== nodeName) {
    throw refuse(request, `node "${nodeName}" can only ${action} with spec.nodeName set to itself`);
  }
}

/** A mirror pod stands for a file on the node: it must be its node's, owned by it, and refer to nothing. */
async function admitMirrorPod(
  request: AdmissionRequest,
  nodeName: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<void> {
  const pod = request.object as Pod;
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] === undefined) {
    throw refuse(
      request,
      `pod does not have "${MIRROR_ANNOTATION}" annotation, node "${nodeName}" can only create mirror pods`,
    );
  }
  if (pod.spec.nodeName !== nodeName) {
    throw refuse(request, `node "${nodeName}" can only create pods with spec.nodeName set to itself`);
  }
  const problem = ownerProblem(pod, nodeName) ?? referenceProblem(pod);
  if (problem) throw refuse(request, `node "${nodeName}" ${problem}`);
  // A node made again under the same name is another one, with which the pod would not go.
  const node = await reader.getLatest(nodes, "", nodeName, signal);
  const uid = pod.metadata.ownerReferences?.[0]?.uid;
  if (node?.metadata.uid !== uid) {
    throw refuse(request, `node ${nodeName} UID mismatch: expected ${node?.metadata.uid ?? ""} got ${uid ?? ""}`);
  }
}

/** The mirror pod must go with its node, so it is owned by it. */
function ownerProblem(pod: Readonly<Pod>, nodeName: string): string | undefined {
  const owners = pod.metadata.ownerReferences ?? [];
  if (owners.length > 1) return "can only create pods with a single owner reference set to itself";
  const owner = owners[0];
  if (owner?.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== nodeName) {
    return "can only create pods with an owner reference set to itself";
  }
  if (!owner.controller) return "can only create pods with a controller owner reference set to itself";
  return owner.blockOwnerDeletion ? "must not set blockOwnerDeletion on an owner reference" : undefined;
}

/** A pod that a node makes would let the node read what the pod refers to. */
function referenceProblem(pod: Readonly<Pod>): string | undefined {
  const { annotations, ...metadata } = pod.metadata;
  const found = podReferences({ ...pod, metadata });
  if (found.serviceAccounts.size > 0) return "can not create pods that reference a service account";
  if (found.secrets.size > 0) return "can not create pods that reference secrets";
  if (found.configMaps.size > 0) return "can not create pods that reference configmaps";
  if (found.persistentVolumeClaims.size > 0) return "can not create pods that reference persistentvolumeclaims";
  if (found.resourceClaims.size > 0) return "can not create pods that reference resourceclaims";
  return undefined;
}

/** A node may ask for tokens of its pods' accounts only, each bound to its pod. */
export async function admitTokenRequest(
  request: AdmissionRequest,
  nodeName: string,
  { reader, authorizer }: { readonly reader: ObjectReader; readonly authorizer: Authorizer },
  signal: AbortSignal,
): Promise<void> {
  if (request.operation !== "CREATE" || request.subresource !== "token") return;
  const { spec } = request.object as AuthenticationV1TokenRequest;
  const bound = spec.boundObjectRef;
  if (bound?.apiVersion !== "v1" || bound.kind !== "Pod" || !bound.name) {
    throw refuse(request, "node requested token not bound to a pod");
  }
  // By name alone the token would be good for a later pod of that name.
  if (!bound.uid) throw refuse(request, "node requested token with a pod binding without a uid");
  const pod = await reader.getLatest(pods, request.namespace, bound.name, signal);
  if (!pod) throw notFound(pods, bound.name);
  if (pod.metadata.uid !== bound.uid) {
    throw refuse(
      request,
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (pod.spec.nodeName !== nodeName) {
    throw refuse(request, "node requested token bound to a pod scheduled on a different node");
  }
  const { audiences = [] } = spec;
  if (audiences.length > 1) throw refuse(request, "node may only request 0 or 1 audiences");
  // Otherwise a node could get tokens for services that its pods never asked to talk to.
  const [audience = ""] = audiences;
  if (podAudiences(pod).has(audience) || driverAudiences(pod, reader).includes(audience)) return;
  if (await mayRequestAudience(request, audience, authorizer)) return;
  throw refuse(request, `audience "${audience}" not found in pod spec volume`);
}

/** A right that administrators give nodes whose credential-provider plug-ins want such tokens: the audience stands as the resource. */
async function mayRequestAudience(
  { user, namespace, name }: AdmissionRequest,
  audience: string,
  authorizer: Authorizer,
): Promise<boolean> {
  const what = { verb: "request-serviceaccounts-token-audience", group: "", version: "*", resource: audience };
  const where = { isResourceRequest: true, namespace, name, subresource: "", path: "" };
  return (await authorizer.authorize({ user, ...what, ...where })).verdict === "allow";
}

/** The audiences that the pod's projected volumes name; "" is the API's own. */
function podAudiences(pod: Readonly<Pod>): ReadonlySet<string> {
  const projections = (pod.spec.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
  return new Set(projections.flatMap((source) => source.serviceAccountToken?.audience ?? []).concat(""));
}

/** The audiences that the CSI drivers of the pod's volumes ask tokens for. */
function driverAudiences(pod: Readonly<Pod>, reader: ObjectReader): string[] {
  const drivers = (pod.spec.volumes ?? []).map((volume) => {
    if (volume.csi) return volume.csi.driver;
    const claimName = volume.ephemeral
      ? `${pod.metadata.name}-${volume.name}`
      : volume.persistentVolumeClaim?.claimName;
    if (!claimName) return undefined;
    const claim = reader.get(persistentVolumeClaims, pod.metadata.namespace ?? "", claimName);
    return reader.get(persistentVolumes, "", claim?.spec?.volumeName ?? "")?.spec?.csi?.driver;
  });
  return drivers.flatMap((driver) => {
    const requests = (driver && reader.get(csiDrivers, "", driver)?.spec.tokenRequests) || [];
    return requests.map(({ audience }) => audience);
  });
}
