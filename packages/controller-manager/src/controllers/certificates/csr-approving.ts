// The approver: kubelets get their client certificates without anybody's help, as far as RBAC lets them ask.
import type { CertificateSigningRequest, SubjectAccessReview } from "@skiff/api/types.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { hasCondition, parseRequest, withCondition } from "./request-state.ts";
import { KUBELET_CLIENT_SIGNER, kubeletClientProblem } from "./signer-rules.ts";

type Csr = Readonly<CertificateSigningRequest>;

/** Upstream's count of workers. */
const WORKERS = 5;
const API = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/** Serving certificates are left to people (or programs of theirs), as upstream: only they know whose addresses are whose. */
export const csrApprovingController = {
  name: "certificatesigningrequest-approving-controller",
  aliases: ["csrapproving"],
  component: "csrapproving",
  serviceAccount: "certificate-controller",
  async run(context, signal) {
    const requests = context.informers.certificateSigningRequests();
    using queue = context.newQueue();
    const enqueue = (csr: Csr) => queue.add(csr.metadata.name);
    using _requests = requests.addHandler({ onAdd: enqueue, onUpdate: enqueue });
    await requests.synced(signal);
    const sync = async (name: string, stop: AbortSignal) => {
      const csr = requests.lister.get("", name);
      if (csr) await approve(csr, context, stop);
    };
    await runReconciler(queue, WORKERS, sync, { signal, log: context.log, name: this.name });
  },
} satisfies ControllerDefinition;

/** A pattern that the request fits, and the right that makes it approvable. */
export interface Recognition {
  /** The right that the asker needs on certificatesigningrequests. */
  readonly subresource: "selfnodeclient" | "nodeclient";
  readonly message: string;
}

/** Under which rights the request may be approved, the narrower first; none where it is nobody's here to decide. */
export function recognize(csr: Csr): readonly Recognition[] {
  if (csr.status?.certificate || hasCondition(csr, "Approved") || hasCondition(csr, "Denied")) return [];
  if (csr.spec.signerName !== KUBELET_CLIENT_SIGNER) return [];
  const request = parseRequest(csr);
  if (kubeletClientProblem(request, csr.spec.usages ?? []) !== undefined) return [];
  const self: Recognition = {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
  };
  const other: Recognition = {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
  };
  return csr.spec.username === request.commonName ? [self, other] : [other];
}

async function approve(csr: Csr, context: ControllerContext, signal: AbortSignal): Promise<void> {
  const { name } = csr.metadata;
  const recognized = recognize(csr);
  for (const { subresource, message } of recognized) {
    if (!(await isAllowed(csr, subresource, context, signal))) continue;
    const body = withCondition(csr, { type: "Approved", status: "True", reason: "AutoApproved", message });
    await context.client.request({ method: "PUT", path: `${API}/${name}/approval`, body, signal });
    context.log.info({ csr: name, requestor: csr.spec.username }, "certificate request approved");
    return;
  }
  if (recognized.length === 0) return;
  // The right may be given later, so the request stays in the queue, ever more slowly.
  const tried = recognized.map(({ subresource }) => subresource).join(" ");
  throw new Error(`recognized csr ${JSON.stringify(name)} as [${tried}] but subject access review was not approved`);
}

/**
 * Asks on behalf of whoever made the request: machines that bootstrap are given the right `nodeclient`, nodes that
 * renew their own certificate `selfnodeclient`.
 */
async function isAllowed(
  { spec }: Csr,
  subresource: string,
  { client }: Pick<ControllerContext, "client">,
  signal: AbortSignal,
): Promise<boolean> {
  const resourceAttributes = {
    group: "certificates.k8s.io",
    resource: "certificatesigningrequests",
    verb: "create",
    subresource,
    version: "*",
  };
  const { username, uid, groups, extra } = spec;
  const body = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: { user: username, uid, groups, extra, resourceAttributes },
  };
  const answer = await client.request({ method: "POST", path: REVIEWS, body, signal });
  return (answer.body as SubjectAccessReview).status?.allowed === true;
}
