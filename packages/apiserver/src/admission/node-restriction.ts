// NodeRestriction: a kubelet writes its own Node and Lease, its own pods, and nothing that would widen its rights.
import type { KubeObject } from "@skiff/api/object.ts";
import type { Node, PersistentVolumeClaim, ResourceSlice } from "@skiff/api/types.ts";
import { deepEqual } from "@skiff/api/validation/deep-equal.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { nodeIdentity } from "../authz/node-authorizer.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { forbiddenNodeLabels } from "./node-labels.ts";
import { admitCertificateRequest, admitPodCertificateRequest } from "./node-restriction-certificates.ts";
import { admitPod, admitTokenRequest } from "./node-restriction-pods.ts";
import { refuse } from "./refusal.ts";

const LEASE_NAMESPACE = "kube-node-lease";

/**
 * Judges what the Node authorizer cannot: it sees URLs, and this the objects. It concerns users that are nodes, and
 * nobody else.
 */
export function createNodeRestriction(reader: ObjectReader, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    async admit(request, signal) {
      const nodeName = nodeIdentity(request.user);
      if (nodeName === undefined) return;
      if (!nodeName) throw refuse(request, `could not determine node identity from user "${request.user.name}"`);
      switch (`${request.kind.group}/${request.kind.plural}`) {
        case "/pods":
          return admitPod(request, nodeName, reader, signal);
        case "/nodes":
          return admitNode(request, nodeName);
        case "/serviceaccounts":
          return admitTokenRequest(request, nodeName, { reader, authorizer }, signal);
        case "/persistentvolumeclaims":
          return admitClaimStatus(request, nodeName);
        case "coordination.k8s.io/leases":
          return admitLease(request, nodeName);
        case "storage.k8s.io/csinodes":
          return admitOwn(request, nodeName, "can only access CSINode with the same name as the requesting node");
        case "certificates.k8s.io/certificatesigningrequests":
          return admitCertificateRequest(request, nodeName);
        case "certificates.k8s.io/podcertificaterequests":
          return admitPodCertificateRequest(request, nodeName, reader, signal);
        case "resource.k8s.io/resourceslices":
          return admitResourceSlice(request, nodeName);
      }
    },
  };
}

/** A node may be its own only: what it could write on others would draw their pods to it. */
function admitNode(request: AdmissionRequest, nodeName: string): void {
  const node = request.object as Node | undefined;
  const name = request.name || node?.metadata.name || "";
  if (name !== nodeName) throw refuse(request, `node "${nodeName}" is not allowed to modify node "${name}"`);
  if (request.operation === "CREATE" && node) {
    // Nodes may read what their spec names, so they must not name it themselves.
    if (node.spec?.configSource) {
      throw refuse(request, `node "${nodeName}" is not allowed to create pods with a non-nil configSource`);
    }
    const labels = forbiddenNodeLabels({}, node.metadata.labels);
    if (labels.length > 0) {
      throw refuse(request, `node "${nodeName}" is not allowed to set the following labels: ${labels.join(", ")}`);
    }
    refuseOwners(request, nodeName, node);
  }
  if (request.operation === "UPDATE" && node) admitNodeUpdate(request, nodeName, node, request.oldObject as Node);
}

function admitNodeUpdate(request: AdmissionRequest, nodeName: string, node: Node, previous: Readonly<Node>): void {
  // Old kubelets lose the field when they report status.
  if (node.spec?.configSource && !isEqual(node.spec.configSource, previous.spec?.configSource)) {
    throw refuse(request, `node "${nodeName}" is not allowed to update configSource to a new non-nil configSource`);
  }
  // Without its taints a node that was set aside would be given pods again.
  if (!isEqual(node.spec?.taints ?? [], previous.spec?.taints ?? [])) {
    throw refuse(request, `node "${nodeName}" is not allowed to modify taints`);
  }
  const labels = forbiddenNodeLabels(previous.metadata.labels ?? {}, node.metadata.labels);
  if (labels.length > 0) {
    throw refuse(request, `is not allowed to modify labels: ${labels.join(", ")}`);
  }
  if (!isEqual(node.metadata.ownerReferences ?? [], previous.metadata.ownerReferences ?? [])) {
    throw refuse(request, `node "${nodeName}" is not allowed to modify ownerReferences`);
  }
}

/** What a kubelet knows of a claim after it has resized the volume; no metadata, so no labels, finalizers or owners. */
function admitClaimStatus(request: AdmissionRequest, nodeName: string): void {
  if (request.subresource !== "status") throw refuse(request, "may only update PVC status");
  if (request.operation !== "UPDATE") throw refuse(request, `unexpected operation "${request.operation}"`);
  const [next, previous] = [request.object, request.oldObject] as (Readonly<PersistentVolumeClaim> | undefined)[];
  if (next && previous && deepEqual(withoutNodeFields(next), withoutNodeFields(previous))) return;
  const allowed = "status.capacity and status.conditions";
  throw refuse(request, `node "${nodeName}" is not allowed to update fields other than ${allowed}`);
}

function withoutNodeFields({ metadata, spec, status }: Readonly<PersistentVolumeClaim>): object {
  const { resourceVersion: _version, managedFields: _fields, ...meta } = metadata;
  const { capacity, conditions, allocatedResourceStatuses, allocatedResources, ...rest } = status ?? {};
  return { meta, spec, rest };
}

function refuseOwners(request: AdmissionRequest, nodeName: string, object: KubeObject): void {
  if (!object.metadata.ownerReferences?.length) return;
  throw refuse(request, `node "${nodeName}" is not allowed to create with ownerReferences`);
}

/** The heartbeat of another node would hide that it has failed. */
function admitLease(request: AdmissionRequest, nodeName: string): void {
  if (request.namespace !== LEASE_NAMESPACE) {
    throw refuse(request, `can only access leases in the "${LEASE_NAMESPACE}" system namespace`);
  }
  admitOwn(request, nodeName, "can only access node lease with the same name as the requesting node");
}

/** The present one counts on updates and deletions, the new one where there is one: a slice cannot be taken over either way. */
function admitResourceSlice(request: AdmissionRequest, nodeName: string): void {
  for (const slice of [request.oldObject, request.object] as (Readonly<ResourceSlice> | undefined)[]) {
    if (!slice || slice.spec.nodeName === nodeName) continue;
    const wanted =
      slice === request.object ? "can only create ResourceSlice with the same NodeName as the requesting node" : "";
    throw refuse(request, wanted || "can only access ResourceSlices of the requesting node");
  }
}

function admitOwn(request: AdmissionRequest, nodeName: string, why: string): void {
  const name = request.operation === "CREATE" ? request.object?.metadata.name : request.name;
  if (name !== nodeName) throw refuse(request, why);
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
