// CertificateSigningRequest: a wish for a certificate, which somebody approves and a signer fulfils.
import type { CertificateSigningRequest } from "../../../generated/types.ts";
import { humanDuration } from "../../duration.ts";
import type { WriteRules } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import { certificateSigningRequests } from "../../resource-ref.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { copyPart, defineKind } from "../define-kind.ts";
import { validateApproval, validateRequest, validateRequestUpdate, validateSignerUpdate } from "./validate.ts";

/** Approving is a right of its own, so it has a subresource, which writes conditions alone. */
const approvalRules: WriteRules<CertificateSigningRequest> = {
  prepareForUpdate(next, previous, now) {
    copyPart(next, previous, "spec");
    stampConditions(next, previous, now);
    const { conditions } = next.status ?? {};
    const { conditions: _, ...status } = previous.status ?? {};
    next.status = { ...status, ...(conditions ? { conditions } : {}) };
  },
  validateUpdate: validateApproval,
};

/** The spec says who asks, which the server fills in from the request's own user and nobody can forge or change. */
export const certificateSigningRequestKind = defineKind<CertificateSigningRequest>({
  ref: certificateSigningRequests,
  shortNames: ["csr"],
  hasStatus: true,
  hasGeneration: false,
  applyDefaults(request) {
    request.status ??= {};
  },
  validate: validateRequest,
  validateUpdate: validateRequestUpdate,
  prepareForUpdate(next, previous) {
    // What is asked for does not change once it has been asked.
    next.spec = structuredClone(previous.spec);
  },
  prepareForStatusUpdate(next, previous, now) {
    keepVerdict(next, previous);
    stampConditions(next, previous, now);
  },
  validateStatusUpdate: validateSignerUpdate,
  subresources: [
    {
      name: "approval",
      kind: "CertificateSigningRequest",
      verbs: ["get", "patch", "update"],
      rules: approvalRules as WriteRules<KubeObject>,
    },
  ],
  selectableFields: { "spec.signerName": ({ spec }) => spec.signerName },
  columns: [
    nameColumn,
    ageColumn,
    column("SignerName", ["CertificateSigningRequestSpec", "signerName"], ({ spec }) => spec.signerName),
    column("Requestor", ["CertificateSigningRequestSpec", "request"], ({ spec }) => spec.username ?? ""),
    column("RequestedDuration", ["CertificateSigningRequestSpec", "expirationSeconds"], ({ spec }) =>
      spec.expirationSeconds === undefined ? "<none>" : humanDuration(spec.expirationSeconds * 1000),
    ),
    column("Condition", ["CertificateSigningRequestStatus", "conditions"], state),
  ],
});

/** A verdict that is still there stays as it was; one that came or went is for validation to refuse. */
function keepVerdict(next: CertificateSigningRequest, previous: Readonly<CertificateSigningRequest>): void {
  const before = previous.status?.conditions ?? [];
  const conditions = next.status?.conditions;
  if (!conditions) return;
  const isVerdict = (type: string) => type === "Approved" || type === "Denied";
  const kept = conditions.map((condition) => {
    return isVerdict(condition.type) ? (before.find(({ type }) => type === condition.type) ?? condition) : condition;
  });
  next.status = { ...next.status, conditions: kept };
}

/** Who tells of a condition need not say when; one that was there before keeps the time at which it came. */
function stampConditions(
  next: CertificateSigningRequest,
  previous: Readonly<CertificateSigningRequest>,
  now: string,
): void {
  const conditions = next.status?.conditions;
  if (!conditions) return;
  const before = previous.status?.conditions ?? [];
  // Copies: some of them are the previous object's own.
  const stamped = conditions.map((condition) => {
    const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? now,
    };
  });
  next.status = { ...next.status, conditions: stamped };
}

/** `Approved,Issued` */
function state({ status }: Readonly<CertificateSigningRequest>): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) ?? false;
  const decision = has("Denied") ? "Denied" : has("Approved") ? "Approved" : "Pending";
  return [decision, ...(has("Failed") ? ["Failed"] : []), ...(status?.certificate ? ["Issued"] : [])].join(",");
}
