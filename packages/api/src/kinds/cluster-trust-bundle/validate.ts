// Whether a bundle's name fits its signer, and whether it holds what can be trusted.
import { X509Certificate } from "node:crypto";
import type { V1beta1ClusterTrustBundle } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { pemBlocks } from "../../pem-blocks.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import { invalidAll, invalidValue, root, tooLong } from "../../validation/path.ts";
import { validateSignerName } from "../certificate-signing-request/validate.ts";

/** As upstream: 1 MiB, of etcd's 1.5. */
const MAX_BYTES = 1024 * 1024;
/** The certificates themselves are left out of the message: it could be as long as they are. */
const OMITTED = "<value omitted>";

/** What holds on every write. */
export function validateBundle({ metadata, spec }: V1beta1ClusterTrustBundle): FieldError[] {
  const { signerName = "" } = spec ?? {};
  const name = metadata?.name ?? "";
  const errors = name ? invalidAll(root("metadata").child("name"), name, nameProblems(name, signerName)) : [];
  return signerName ? [...errors, ...validateSignerName(signerName, root("spec").child("signerName"))] : errors;
}

/** A signer's bundles begin with its name, so that rights for a signer are rights for names. */
function nameProblems(name: string, signerName: string): string[] {
  if (!signerName) {
    if (name.includes(":")) return ['ClusterTrustBundle without signer name must not have ":" in its name'];
    return isDns1123Subdomain(name);
  }
  const prefix = `${signerName.replaceAll("/", ":")}:`;
  if (!name.startsWith(prefix))
    return [`ClusterTrustBundle for signerName ${signerName} must be named with prefix ${prefix}`];
  return isDns1123Subdomain(name.slice(prefix.length));
}

/** Certificates of authorities only, in plain PEM, none of them twice. */
export function validateCertificates({ spec }: V1beta1ClusterTrustBundle): FieldError[] {
  const path = root("spec").child("trustBundle");
  const text = spec?.trustBundle ?? "";
  if (Buffer.byteLength(text) > MAX_BYTES) return [tooLong(path, MAX_BYTES)];
  const invalid = (detail: string) => invalidValue(path, OMITTED, detail);
  const blocks = pemBlocks(text);
  const problems = blocks.map(blockProblem).flatMap((why, at) => (why ? [invalid(`entry ${at} ${why}`)] : []));
  if (problems.length > 0) return problems;
  if (blocks.length === 0) return [invalid("at least one trust anchor must be provided")];
  const places = Map.groupBy(blocks.keys(), (at) => blocks[at]?.der.toString("base64"));
  const twice = [...places.values()].filter((indices) => indices.length > 1);
  return twice.map((indices) => invalid(`duplicate trust anchor (indices [${indices.join(" ")}])`));
}

function blockProblem({ type, headers, der }: ReturnType<typeof pemBlocks>[number]): string | undefined {
  if (type !== "CERTIFICATE") return `has bad block type: ${type}`;
  if (headers.size > 0) return "has PEM block headers";
  try {
    return new X509Certificate(der).ca ? undefined : "does not have the CA bit set";
  } catch {
    // OpenSSL's own words would tell nobody more.
    return "does not parse as X.509";
  }
}
