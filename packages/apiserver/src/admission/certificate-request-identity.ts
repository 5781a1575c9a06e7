// Requests for certificates say who asked: the user of the request, whatever the body claims.
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { concerns } from "./refusal.ts";

/** Approvers decide by these fields, so that nobody but the server writes them. */
export const certificateRequestIdentity = {
  name: "CertificateRequestIdentity",
  admit(request) {
    if (request.operation !== "CREATE") return;
    if (!concerns(request, "certificatesigningrequests", "", "certificates.k8s.io")) return;
    const { spec } = request.object as CertificateSigningRequest;
    const { name, uid, groups, extra } = request.user;
    spec.username = name;
    spec.groups = [...groups];
    if (uid) spec.uid = uid;
    else delete spec.uid;
    if (extra && Object.keys(extra).length > 0) spec.extra = structuredClone(extra) as Record<string, string[]>;
    else delete spec.extra;
  },
} satisfies AdmissionPlugin;
