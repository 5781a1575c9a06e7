// What has become of a request for a certificate so far. Pure.
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from "@skiff/api/types.ts";
import { type CertificateRequest, parseCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";

type Csr = Readonly<CertificateSigningRequest>;

/** Approved, Denied or Failed; a request never has both of the first two. */
export function hasCondition(csr: Csr, type: string): boolean {
  return csr.status?.conditions?.some((one) => one.type === type && one.status === "True") ?? false;
}

/** The request with one more condition, to be written. */
export function withCondition(csr: Csr, added: CertificateSigningRequestCondition): CertificateSigningRequest {
  return { ...csr, status: { ...csr.status, conditions: [...(csr.status?.conditions ?? []), added] } };
}

/** Throws an Error that names the object. */
export function parseRequest(csr: Csr): CertificateRequest {
  try {
    return parseCertificateRequest(Buffer.from(csr.spec.request, "base64").toString("latin1"));
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`unable to parse csr ${JSON.stringify(csr.metadata.name)}: ${reason}`, { cause: error });
  }
}
