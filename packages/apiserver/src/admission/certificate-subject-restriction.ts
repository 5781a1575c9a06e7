// CertificateSubjectRestriction: nobody becomes an administrator by asking for a certificate.
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { parseCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { concerns, refuse } from "./refusal.ts";

/** Its certificates authenticate to the API, where the organization becomes the group. */
const SIGNER = "kubernetes.io/kube-apiserver-client";
const MASTERS = "system:masters";

/** Throws 403 when the request is made; an approver who overlooks the group would hand out the whole cluster. */
export const certificateSubjectRestriction = {
  name: "CertificateSubjectRestriction",
  validate(request) {
    if (request.operation !== "CREATE") return;
    if (!concerns(request, "certificatesigningrequests", "", "certificates.k8s.io")) return;
    const { spec } = request.object as CertificateSigningRequest;
    if (spec.signerName !== SIGNER || !organizationsOf(request, spec.request).includes(MASTERS)) return;
    throw refuse(request, `use of ${SIGNER} signer with ${MASTERS} group is not allowed`);
  },
} satisfies AdmissionPlugin;

function organizationsOf(request: AdmissionRequest, base64: string): readonly string[] {
  try {
    return parseCertificateRequest(Buffer.from(base64, "base64").toString("latin1")).organizations;
  } catch (error) {
    throw refuse(request, `failed to parse CSR: ${(error as Error).message}`);
  }
}
