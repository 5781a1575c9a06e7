// PodCertificateRequest: a node's wish for a certificate in the name of one of its pods, which a signer fulfils.
import type { Condition, V1beta1PodCertificateRequest } from "../../../generated/types.ts";
import { isConditionTrue } from "../../conditions.ts";
import { podCertificateRequests } from "../../resource-ref.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { root } from "../../validation/path.ts";
import { column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { DEFAULT_SECONDS, validateRequestedCertificate } from "./validate.ts";
import { validateIssue } from "./validate-status.ts";

type Request = V1beta1PodCertificateRequest;

const SPEC = "V1beta1PodCertificateRequestSpec";

/** Off unless --runtime-config turns it on: it is beta upstream, and beta kinds are not served by default. */
export const podCertificateRequestKind = defineKind<Request>({
  ref: podCertificateRequests,
  model: "V1beta1PodCertificateRequest",
  hasStatus: true,
  hasGeneration: false,
  applyDefaults({ spec }) {
    if (spec) spec.maxExpirationSeconds ??= DEFAULT_SECONDS;
  },
  validate: validateRequestedCertificate,
  validateUpdate: (next, previous) => immutableField(next.spec, previous.spec, root("spec")),
  prepareForStatusUpdate(next, previous, now) {
    const { conditions } = next.status ?? {};
    if (conditions) next.status = { ...next.status, conditions: stamped(conditions, previous, now) };
  },
  validateStatusUpdate: validateIssue,
  selectableFields: {
    "spec.signerName": ({ spec }) => spec.signerName,
    "spec.podName": ({ spec }) => spec.podName,
    "spec.nodeName": ({ spec }) => spec.nodeName,
  },
  columns: [
    nameColumn,
    column("PodName", [SPEC, "podName"], ({ spec }) => spec.podName),
    column("ServiceAccountName", [SPEC, "serviceAccountName"], ({ spec }) => spec.serviceAccountName),
    column("NodeName", [SPEC, "nodeName"], ({ spec }) => spec.nodeName),
    column("SignerName", [SPEC, "signerName"], ({ spec }) => spec.signerName),
    column("State", ["V1beta1PodCertificateRequestStatus", "conditions"], stateOf),
  ],
});

/** A condition that was there before stays as it was; whoever tells of a new one need not say when. */
function stamped(conditions: readonly Condition[], previous: Readonly<Request>, now: string): Condition[] {
  const before = previous.status?.conditions ?? [];
  return conditions.map((condition) => {
    const same = before.find(({ type }) => type === condition.type);
    return same ? { ...same } : { ...condition, lastTransitionTime: condition.lastTransitionTime ?? now };
  });
}

function stateOf({ status }: Readonly<Request>): string {
  const states = ["Issued", "Denied", "Failed"];
  return states.find((type) => isConditionTrue(status?.conditions, type)) ?? "Pending";
}
