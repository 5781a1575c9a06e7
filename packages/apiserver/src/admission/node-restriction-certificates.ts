// The certificates that a kubelet may ask for: its own, from the signers that make nodes.
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { parseCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";
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
