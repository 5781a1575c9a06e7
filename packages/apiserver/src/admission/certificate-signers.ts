// CertificateApproval, CertificateSigning and ClusterTrustBundleAttest: who speaks for a signer must have that right for that very signer.

import { isDeepStrictEqual } from "node:util";
import type { CertificateSigningRequest, V1beta1ClusterTrustBundle } from "@skiff/api/types.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { concerns, refuse } from "./refusal.ts";

const GROUP = "certificates.k8s.io";
const PLURAL = "certificatesigningrequests";

/**
 * Approving says who somebody is, so that the right to write `approval` alone is not enough: it must be for the signer.
 */
export function createCertificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: "CertificateApproval",
    async validate(request) {
      if (request.operation !== "UPDATE" || !concerns(request, PLURAL, "approval", GROUP)) return;
      await requireSignerRight(request, "approve", authorizer);
    },
  };
}

/** A signature or a final condition is the signer's word; other changes of the status pass. */
export function createCertificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: "CertificateSigning",
    async validate(request) {
      if (request.operation !== "UPDATE" || !concerns(request, PLURAL, "status", GROUP)) return;
      const next = (request.object as CertificateSigningRequest).status;
      const previous = (request.oldObject as Readonly<CertificateSigningRequest>).status;
      const isSame =
        next?.certificate === previous?.certificate && isDeepStrictEqual(next?.conditions, previous?.conditions);
      if (!isSame) await requireSignerRight(request, "sign", authorizer);
    },
  };
}

/** A signer's trust anchors are the signer's word, too: who could change them could pass off certificates as its own. */
export function createTrustBundleAttest(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: "ClusterTrustBundleAttest",
    async validate(request) {
      const { operation, object, oldObject } = request;
      if (!concerns(request, "clustertrustbundles", "", GROUP)) return;
      if (operation !== "CREATE" && operation !== "UPDATE") return;
      const { signerName } = (object as V1beta1ClusterTrustBundle).spec;
      if (!signerName || (oldObject && isHousekeeping(object, oldObject))) return;
      if (await hasSignerRight(request, "attest", signerName, authorizer)) return;
      throw refuse(request, `user not permitted to attest for signerName ${JSON.stringify(signerName)}`);
    },
  };
}

/** What the garbage collector writes, and a storage migration, changes nothing that is attested. */
function isHousekeeping(next: AdmissionRequest["object"], previous: AdmissionRequest["oldObject"]): boolean {
  return isDeepStrictEqual(attested(next), attested(previous));
}

function attested(object: AdmissionRequest["object"]): unknown {
  if (!object) return object;
  const {
    ownerReferences: _,
    finalizers: __,
    managedFields: ___,
    resourceVersion: ____,
    ...metadata
  } = object.metadata;
  return { ...object, metadata };
}

/** Throws Forbidden. */
async function requireSignerRight(
  request: AdmissionRequest,
  verb: "approve" | "sign",
  authorizer: Authorizer,
): Promise<void> {
  // The stored one counts: the body might name a signer that its writer may decide about.
  const { signerName } = (request.oldObject as Readonly<CertificateSigningRequest>).spec;
  if (await hasSignerRight(request, verb, signerName, authorizer)) return;
  throw refuse(request, `user not permitted to ${verb} requests with signerName ${JSON.stringify(signerName)}`);
}

/** The right may be of one signer, or of all of its domain as `kubernetes.io/*`. */
export async function hasSignerRight(
  request: AdmissionRequest,
  verb: "approve" | "sign" | "attest",
  signerName: string,
  authorizer: Authorizer,
): Promise<boolean> {
  const [domain = ""] = signerName.split("/");
  for (const name of [signerName, `${domain}/*`]) {
    const attributes = { user: request.user, verb, isResourceRequest: true, namespace: "", subresource: "", path: "" };
    const asked = { ...attributes, group: GROUP, version: "*", resource: "signers", name };
    if ((await authorizer.authorize(asked)).verdict === "allow") return true;
  }
  return false;
}
