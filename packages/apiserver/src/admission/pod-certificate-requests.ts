// PodCertificateRequests: whoever asks holds the key, and whoever answers is the signer and has signed that key.
import { constants, createPublicKey, type KeyObject, verify, X509Certificate } from "node:crypto";
import { type FieldError, invalid, OMITTED_VALUE } from "@skiff/api/errors.ts";
import { pemBlocks } from "@skiff/api/pem-blocks.ts";
import type { V1beta1PodCertificateRequest } from "@skiff/api/types.ts";
import { forbiddenField, invalidValue, root } from "@skiff/api/validation/path.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { parseCertificateRequest, pemOf } from "@skiff/component-base/x509/certificate-request.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { hasSignerRight } from "./certificate-signers.ts";
import { concerns } from "./refusal.ts";

type Spec = V1beta1PodCertificateRequest["spec"];

/** How far a certificate's begin may be from now. */
const SKEW_MS = 5 * 60_000;
const CURVES = ["prime256v1", "secp384r1", "secp521r1"];
const MODULUS_BITS = [3072, 4096];
const SPEC = root("spec");

/** Part of storing the kind upstream, so that nobody can turn it off. */
export function createPodCertificateCheck(authorizer: Authorizer, clock: Pick<Clock, "now">): AdmissionPlugin {
  return {
    name: "PodCertificateRequests",
    async validate(request) {
      const isStatus = concerns(request, "podcertificaterequests", "status", "certificates.k8s.io");
      if (request.operation === "CREATE" && concerns(request, "podcertificaterequests", "", "certificates.k8s.io")) {
        refuse(request, keyErrors((request.object as V1beta1PodCertificateRequest).spec));
      }
      if (request.operation === "UPDATE" && isStatus) await checkIssue(request, authorizer, clock);
    },
  };
}

async function checkIssue(request: AdmissionRequest, authorizer: Authorizer, clock: Pick<Clock, "now">): Promise<void> {
  const { spec, status: before } = request.oldObject as Readonly<V1beta1PodCertificateRequest>;
  const { status } = request.object as Readonly<V1beta1PodCertificateRequest>;
  const chain = status?.certificateChain;
  if (!chain || chain === before?.certificateChain) return;
  if (!(await hasSignerRight(request, "sign", spec.signerName, authorizer))) {
    const [user, signer] = [request.user.name, spec.signerName].map((text) => JSON.stringify(text));
    refuse(request, [
      forbiddenField(SPEC.child("signerName"), `User ${user} is not permitted to "sign" for signer ${signer}`),
    ]);
  }
  if (!isFor(chain, spec)) {
    const why = "leaf certificate was not issued to the requested public key";
    refuse(request, [invalidValue(root("status").child("certificateChain"), chain, why)]);
  }
  // Clocks that differ by more would make certificates that are not valid yet, or are taken for fresh when they are old.
  if (status.notBefore && Math.abs(Date.parse(status.notBefore) - clock.now()) > SKEW_MS) {
    const why = "must be set to within 5 minutes of kube-apiserver's current time";
    refuse(request, [invalidValue(root("status").child("notBefore"), status.notBefore, why)]);
  }
}

function refuse(request: AdmissionRequest, errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  throw invalid(request.kind.group, request.kind.kind, request.object?.metadata.name ?? "", [...errors]);
}

/** A chain that is none is the kind's own to refuse. */
function isFor(chain: string, spec: Spec): boolean {
  const [leaf] = pemBlocks(chain);
  try {
    return leaf === undefined || new X509Certificate(leaf.der).publicKey.equals(requestedKey(spec).key);
  } catch {
    return true;
  }
}

/** Of a request: the key, and whether its writer has proved to hold the private one. */
function requestedKey(spec: Spec): { readonly key: KeyObject; readonly isProved: boolean } {
  if (spec.stubPKCS10Request) {
    const parsed = parseCertificateRequest(pemOf("CERTIFICATE REQUEST", Buffer.from(spec.stubPKCS10Request, "base64")));
    const key = createPublicKey({ key: parsed.publicKey, format: "der", type: "spki" });
    return { key, isProved: parsed.hasValidSignature };
  }
  const key = createPublicKey({ key: Buffer.from(spec.pkixPublicKey ?? "", "base64"), format: "der", type: "spki" });
  return { key, isProved: isSignedUid(key, spec) };
}

/** As older kubelets prove it: by a signature over the pod's UID. */
function isSignedUid(key: KeyObject, { podUID, proofOfPossession = "" }: Spec): boolean {
  const [data, proof] = [Buffer.from(podUID), Buffer.from(proofOfPossession, "base64")];
  if (key.asymmetricKeyType === "ed25519") return verify(null, data, key, proof);
  if (key.asymmetricKeyType !== "rsa") return verify("sha256", data, key, proof);
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  return verify("sha256", data, { key, ...padding }, proof);
}

function keyErrors(spec: Spec): FieldError[] {
  const isStub = Boolean(spec.stubPKCS10Request);
  const path = SPEC.child(isStub ? "stubPKCS10Request" : "pkixPublicKey");
  let found: ReturnType<typeof requestedKey>;
  try {
    found = requestedKey(spec);
  } catch {
    const what = isStub ? "certificate signing request in PKCS#10" : "PKIX-serialized public key";
    return [invalidValue(path, OMITTED_VALUE, `must be a valid ${what}`)];
  }
  const { namedCurve, modulusLength = 0 } = found.key.asymmetricKeyDetails ?? {};
  switch (found.key.asymmetricKeyType) {
    case "ed25519":
      break;
    case "ec":
      if (CURVES.includes(namedCurve ?? "")) break;
      return [invalidValue(path, `curve ${namedCurve}`, "elliptic public keys must use curve P256, P384 or P521")];
    case "rsa":
      if (MODULUS_BITS.includes(modulusLength)) break;
      return [invalidValue(path, `${modulusLength}-bit modulus`, "RSA keys must have modulus size 3072 or 4096")];
    default: {
      const why = "unknown public key type; supported types are Ed25519, ECDSA, and RSA";
      return [invalidValue(path, OMITTED_VALUE, why)];
    }
  }
  if (found.isProved) return [];
  const why = isStub ? "could not verify the request's signature" : "could not verify proof-of-possession signature";
  return [invalidValue(isStub ? path : SPEC.child("proofOfPossession"), OMITTED_VALUE, why)];
}
