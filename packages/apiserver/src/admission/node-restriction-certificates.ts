// The certificates that a kubelet may ask for: its own, from the signers that make nodes, and those of its pods.
import { nodes, pods, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { CertificateSigningRequest, V1beta1PodCertificateRequest } from "@skiff/api/types.ts";
import { parseCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";
import { MIRROR_ANNOTATION } from "../authz/pod-references.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionRequest } from "./admission.ts";
import { refuse } from "./refusal.ts";

/** Both make certificates in the name of a node. */
const NODE_SIGNERS: ReadonlySet<string> = new Set([
  "kubernetes.io/kubelet-serving",
  "kubernetes.io/kube-apiserver-client-kubelet",
]);

/** Everything else in the request is the signer's to judge. */
export function admitCertificateRequest(request: AdmissionRequest, nodeName: string): void {
  if (request.operation !== "CREATE" || request.subresource !== "") return;
  const { spec } = request.object as CertificateSigningRequest;
  if (!NODE_SIGNERS.has(spec.signerName)) return;
  const wanted = `system:node:${nodeName}`;
  if (commonNameOf(request, spec.request) === wanted) return;
  throw refuse(request, `can only create a node CSR with CN=${wanted}`);
}

function commonNameOf(request: AdmissionRequest, base64: string): string {
  try {
    return parseCertificateRequest(Buffer.from(base64, "base64").toString("latin1")).commonName;
  } catch (error) {
    throw refuse(request, `unable to parse csr: ${(error as Error).message}`);
  }
}

/** A node may ask in the name of its own pods, and of their accounts, alone: each by name and UID. */
export async function admitPodCertificateRequest(
  request: AdmissionRequest,
  nodeName: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<void> {
  if (request.operation !== "CREATE") throw refuse(request, "unexpected operation");
  if (request.subresource !== "") throw refuse(request, `unexpected subresource ${request.subresource}`);
  const { spec } = request.object as V1beta1PodCertificateRequest;
  const quote = (text: string) => JSON.stringify(text);
  const podRef = quote(`${request.namespace}/${spec.podName}`);
  const about = `PodCertificateRequest for pod ${podRef}`;
  if (spec.nodeName !== nodeName) {
    const named = `PodCertificateRequest.Spec.NodeName=${quote(spec.nodeName)}`;
    throw refuse(request, `${named}, which is not the requesting node ${quote(nodeName)}`);
  }
  const node = await reader.getLatest(nodes, "", nodeName, signal);
  const nodeUid = node?.metadata.uid ?? "";
  if (nodeUid !== spec.nodeUID) {
    const what = `names node UID ${quote(spec.nodeUID)}, inconsistent with the running node (${quote(nodeUid)})`;
    throw refuse(request, `${about} ${what}`);
  }
  const pod = await reader.getLatest(pods, request.namespace, spec.podName, signal);
  const podUid = pod?.metadata.uid ?? "";
  if (!pod || podUid !== spec.podUID) {
    throw refuse(
      request,
      `${about} contains pod UID (${quote(spec.podUID)}) which differs from running pod ${quote(podUid)}`,
    );
  }
  if (pod.spec.nodeName !== nodeName) {
    throw refuse(request, `pod ${podRef} is not running on node ${quote(nodeName)} named in the PodCertificateRequest`);
  }
  // Its file says who it is, and not the API.
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) {
    throw refuse(request, `pod ${podRef} is a mirror pod`);
  }
  const account = pod.spec.serviceAccountName ?? "";
  if (account !== spec.serviceAccountName) {
    const what = `contains serviceAccountName (${quote(spec.serviceAccountName)}) that differs from running pod`;
    throw refuse(request, `${about} ${what} (${quote(account)})`);
  }
  const found = await reader.getLatest(serviceAccounts, request.namespace, account, signal);
  const accountUid = found?.metadata.uid ?? "";
  if (accountUid !== spec.serviceAccountUID) {
    const what = `names service account UID ${quote(spec.serviceAccountUID)}, which differs from the running service account`;
    throw refuse(request, `${about} ${what} (${quote(accountUid)})`);
  }
}
