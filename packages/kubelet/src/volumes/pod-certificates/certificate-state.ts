// Where the certificate of one volume source stands, and what is to be done about it. Pure.
import { pemBlocks, pemText } from "@skiff/api/pem-blocks.ts";
import type { V1beta1PodCertificateRequest } from "@skiff/api/types.ts";

/** What is in the pod's files. Times are the wall clock's. */
export interface HeldCertificate {
  /** PEM. */
  readonly key: string;
  readonly chain: string;
  readonly refreshAt: number;
  readonly notAfter: number;
}

/** A request that has no answer yet. */
export interface AskedCertificate {
  readonly key: string;
  readonly name: string;
  /** If it is not to be found by then, it was deleted. */
  readonly abandonAt: number;
}

/** For good: a pod that is denied is not asked for again. */
export interface Refusal {
  readonly kind: "Denied" | "Failed";
  readonly reason: string;
  readonly message: string;
}

export interface CertificateState {
  readonly held?: HeldCertificate | undefined;
  readonly asked?: AskedCertificate | undefined;
  readonly refusal?: Refusal | undefined;
}

export type CertificateStep =
  | { readonly do: "ask" | "wait" | "forget" }
  | { readonly do: "take"; readonly held: Omit<HeldCertificate, "key"> }
  | { readonly do: "refuse"; readonly refusal: Refusal };

/** As upstream: that long after its time a refresh is overdue. */
const OVERDUE_MS = 10 * 60_000;

/** `request` is the one that was asked, as far as it is known. */
export function planStep(
  { held, asked, refusal }: CertificateState,
  request: Readonly<V1beta1PodCertificateRequest> | undefined,
  now: number,
): CertificateStep {
  if (refusal) return { do: "wait" };
  if (!asked) return { do: !held || now >= held.refreshAt ? "ask" : "wait" };
  if (!request) return { do: now > asked.abandonAt ? "forget" : "wait" };
  for (const { type, reason, message } of request.status?.conditions ?? []) {
    if (type === "Denied" || type === "Failed") return { do: "refuse", refusal: { kind: type, reason, message } };
    if (type === "Issued") return { do: "take", held: heldOf(request) };
  }
  return { do: "wait" };
}

/** Without what lies between the certificates, which nobody has vouched for. */
function heldOf({ status }: Readonly<V1beta1PodCertificateRequest>): Omit<HeldCertificate, "key"> {
  const blocks = pemBlocks(status?.certificateChain ?? "");
  return {
    chain: blocks.map(({ der }) => pemText("CERTIFICATE", der)).join(""),
    refreshAt: Date.parse(status?.beginRefreshAt ?? ""),
    notAfter: Date.parse(status?.notAfter ?? ""),
  };
}

/** Upstream's words for the metric, and for whom to warn. */
export function conditionOf({ held, refusal }: CertificateState, now: number): string {
  if (refusal) return refusal.kind.toLowerCase();
  if (!held) return "not_yet_issued";
  if (now > held.notAfter) return "expired";
  return now > held.refreshAt + OVERDUE_MS ? "overdue_for_refresh" : "fresh";
}
