// What each of Kubernetes' own signers takes, in upstream's words. Pure.
import type { CertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";

/** Names in spec.signerName. Who may approve for which is a matter of RBAC. */
export const KUBELET_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet";
export const KUBELET_SERVING_SIGNER = "kubernetes.io/kubelet-serving";
export const CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client";
const LEGACY_SIGNER = "kubernetes.io/legacy-unknown";

/** What a signer judges of a request: everything that a certificate would say of its holder. */
type Names = Pick<CertificateRequest, "commonName" | "organizations" | "dnsNames" | "addresses" | "emails" | "uris">;
type Rule = (request: Names, usages: readonly string[]) => string | undefined;

/** Why the signer refuses; undefined when it does not. */
export const SIGNER_RULES: Readonly<Record<string, Rule>> = {
  [KUBELET_CLIENT_SIGNER]: kubeletClientProblem,
  [KUBELET_SERVING_SIGNER]: kubeletServingProblem,
  [CLIENT_SIGNER]: (_request, usages) => clientUsageProblem(usages),
  // What older clients ask for is not looked at; only who approves it stands between them and a certificate.
  [LEGACY_SIGNER]: () => undefined,
};

/** A kubelet's client certificate makes its holder that node, so it may say nothing else and speak for no address. */
export function kubeletClientProblem(request: Names, usages: readonly string[]): string | undefined {
  if (!isOfNodes(request)) return "subject organization is not system:nodes";
  if (request.dnsNames.length > 0) return "DNS subjectAltNames are not allowed";
  if (request.emails.length > 0) return "Email subjectAltNames are not allowed";
  if (request.addresses.length > 0) return "IP subjectAltNames are not allowed";
  if (request.uris.length > 0) return "URI subjectAltNames are not allowed";
  if (!isNodeName(request)) return "subject common name does not begin with system:node:";
  return usageProblem(usages, "client auth");
}

function kubeletServingProblem(request: Names, usages: readonly string[]): string | undefined {
  if (!isOfNodes(request)) return "subject organization is not system:nodes";
  if (request.dnsNames.length + request.addresses.length === 0) return "DNS or IP subjectAltName is required";
  if (request.emails.length > 0) return "Email subjectAltNames are not allowed";
  if (request.uris.length > 0) return "URI subjectAltNames are not allowed";
  return (
    usageProblem(usages, "server auth") ??
    (isNodeName(request) ? undefined : "subject common name does not begin with system:node:")
  );
}

function isOfNodes({ organizations }: Names): boolean {
  return organizations.length === 1 && organizations[0] === "system:nodes";
}

function isNodeName({ commonName }: Names): boolean {
  return commonName.startsWith("system:node:");
}

/** Keys that are not RSA's cannot encipher, so that usage may be missing. */
function usageProblem(usages: readonly string[], auth: string): string | undefined {
  const given = new Set(usages);
  const required = ["digital signature", auth];
  const allowed = [...required, "key encipherment"];
  if (required.every((usage) => given.has(usage)) && [...given].every((usage) => allowed.includes(usage))) {
    return undefined;
  }
  return `usages did not match [${allowed.toSorted().join(" ")}]`;
}

function clientUsageProblem(usages: readonly string[]): string | undefined {
  const allowed = ["digital signature", "key encipherment", "client auth"];
  const wrong = usages.find((usage) => !allowed.includes(usage));
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`;
  return usages.includes("client auth") ? undefined : "missing required usage for client certificate: client auth";
}
