// A pod's wish for a certificate: a new key, and what the API is told of it and of the pod.
import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { OwnerReference, Pod, PodCertificateProjection, V1beta1PodCertificateRequest } from "@skiff/api/types.ts";
import { derOf, makeCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";

/** Identities that the API checks against its own. */
export interface RequestFacts {
  readonly accountUid: string;
  readonly nodeName: string;
  readonly nodeUid: string;
}

export interface MadeRequest {
  /** PEM (PKCS #8). It never leaves the node. */
  readonly key: string;
  readonly request: Pick<V1beta1PodCertificateRequest, "spec"> & {
    readonly metadata: { readonly generateName: string; readonly ownerReferences: OwnerReference[] };
  };
}

/** Rejects for a type of key that it does not know. */
export async function makeRequest(
  pod: Pod,
  source: PodCertificateProjection,
  facts: RequestFacts,
): Promise<MadeRequest> {
  const key = await generateKey(source.keyType);
  // Empty but for the key: who the pod is, the API says, and not the node.
  const pem = makeCertificateRequest({ commonName: "", organizations: [] }, key);
  const { name, uid = "" } = pod.metadata;
  const { signerName, maxExpirationSeconds, userAnnotations } = source;
  const spec = {
    signerName,
    podName: name,
    podUID: uid,
    serviceAccountName: pod.spec?.serviceAccountName ?? "",
    serviceAccountUID: facts.accountUid,
    nodeName: facts.nodeName,
    nodeUID: facts.nodeUid,
    ...(maxExpirationSeconds === undefined ? {} : { maxExpirationSeconds }),
    stubPKCS10Request: (derOf("CERTIFICATE REQUEST", pem) ?? Buffer.of()).toString("base64"),
    ...(userAnnotations ? { unverifiedUserAnnotations: userAnnotations } : {}),
  };
  // It goes with the pod.
  const ownerReferences = [{ apiVersion: "v1", kind: "Pod", name, uid }];
  const metadata = { generateName: "req-", ownerReferences };
  return { key: key.export({ type: "pkcs8", format: "pem" }).toString(), request: { metadata, spec } };
}

const generate = promisify(generateKeyPair);

/** Not in this thread: a long RSA key takes a second. */
async function generateKey(type: string): Promise<KeyObject> {
  switch (type) {
    case "RSA3072":
    case "RSA4096":
      return (await generate("rsa", { modulusLength: Number(type.slice(3)) })).privateKey;
    case "ECDSAP256":
    case "ECDSAP384":
    case "ECDSAP521":
      return (await generate("ec", { namedCurve: `P-${type.slice(6)}` })).privateKey;
    case "ED25519":
      return (await generate("ed25519")).privateKey;
    default:
      throw new Error(`unknown key type ${JSON.stringify(type)}`);
  }
}
