// The flags of the certificate signers: one authority for all, or one for each.
import { flag, UsageError } from "@skiff/component-base/flags.ts";

/** Under upstream's names. Files are read when a request is signed, not at the start. */
export const certificateFlags = {
  "cluster-signing-cert-file": flag.string("", "CA that signs approved certificate requests"),
  "cluster-signing-key-file": flag.string("", "the key of that CA"),
  "cluster-signing-duration": flag.duration(8_760 * 3_600_000, "the longest life of a signed certificate"),
  "cluster-signing-kubelet-serving-cert-file": flag.string("", "CA of kubelets' serving certificates"),
  "cluster-signing-kubelet-serving-key-file": flag.string("", "the key of that CA"),
  "cluster-signing-kubelet-client-cert-file": flag.string("", "CA of kubelets' client certificates"),
  "cluster-signing-kubelet-client-key-file": flag.string("", "the key of that CA"),
  "cluster-signing-kube-apiserver-client-cert-file": flag.string("", "CA of other clients' certificates"),
  "cluster-signing-kube-apiserver-client-key-file": flag.string("", "the key of that CA"),
  "cluster-signing-legacy-unknown-cert-file": flag.string("", "CA of certificates for older clients"),
  "cluster-signing-legacy-unknown-key-file": flag.string("", "the key of that CA"),
} as const;

/** Files of PEM. */
export interface AuthorityFiles {
  readonly cert: string;
  readonly key: string;
}

/** Part of the flag's name → the signer that requests name in spec.signerName. */
const SIGNERS = {
  "kubelet-serving": "kubernetes.io/kubelet-serving",
  "kubelet-client": "kubernetes.io/kube-apiserver-client-kubelet",
  "kube-apiserver-client": "kubernetes.io/kube-apiserver-client",
  "legacy-unknown": "kubernetes.io/legacy-unknown",
} as const;

/** By the signer's name. Throws UsageError for half a pair, and for one authority for all beside others. */
export function certificatesOf(values: Readonly<Record<keyof typeof certificateFlags, unknown>>) {
  const all = pairOf(values, "");
  const entries = Object.entries(SIGNERS).flatMap(([name, signer]) => {
    const files = pairOf(values, `${name}-`);
    return files ? [[signer, files] as const] : [];
  });
  if (all && entries.length > 0) {
    throw new UsageError(
      "cannot specify both --cluster-signing-{cert,key}-file and other --cluster-signing-*-file flags at the same time",
    );
  }
  const durationMs = values["cluster-signing-duration"] as number;
  if (durationMs <= 0) throw new UsageError("--cluster-signing-duration must be positive");
  const shared = all ? Object.values(SIGNERS).map((signer) => [signer, all] as const) : entries;
  const signers: Readonly<Record<string, AuthorityFiles>> = Object.fromEntries(shared);
  return Object.freeze({ signers, durationMs });
}

function pairOf(values: Readonly<Record<string, unknown>>, infix: string): AuthorityFiles | undefined {
  const cert = String(values[`cluster-signing-${infix}cert-file`] ?? "");
  const key = String(values[`cluster-signing-${infix}key-file`] ?? "");
  if (Boolean(cert) !== Boolean(key)) {
    throw new UsageError(`--cluster-signing-${infix}cert-file and --cluster-signing-${infix}key-file go together`);
  }
  return cert ? { cert, key } : undefined;
}
