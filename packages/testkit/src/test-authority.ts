// Certificates for tests of single connections: an authority in memory and what it signs.
import { type KeyedCertificate, type LeafRequest, makeAuthority, signLeaf } from "@skiff/cli/pki/authority.ts";
import { realClock } from "@skiff/component-base/clock.ts";

export interface TestAuthority {
  /** PEM. */
  readonly cert: string;
  sign(request: LeafRequest): Promise<KeyedCertificate>;
}

export async function testAuthority(commonName: string): Promise<TestAuthority> {
  const now = realClock.now();
  const authority = await makeAuthority(commonName, now);
  return { cert: authority.cert, sign: (request) => signLeaf(authority, request, now) };
}
