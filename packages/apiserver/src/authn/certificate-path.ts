// Whether a certificate comes from certain authorities, directly or through intermediates that its owner has sent along.
import { X509Certificate } from "node:crypto";

/** The certificates of a PEM bundle. */
export function readCertificates(pem: string): X509Certificate[] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return texts.map((text) => new X509Certificate(text));
}

/** `intermediates` may be anything that the client made up, so a signature must link each step. */
export function leadsTo(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): boolean {
  let current = certificate;
  const unused = new Set(intermediates);
  for (;;) {
    const here = current;
    if (authorities.some((authority) => isIssuedBy(here, authority))) return true;
    const next = [...unused].find((candidate) => candidate.ca && isIssuedBy(here, candidate));
    if (!next) return false;
    // Each serves once, so that a circle ends.
    unused.delete(next);
    current = next;
  }
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
