// What a request for a pod's certificate must say. Whether its writer holds the key is for the server to see. Pure.
import type { V1beta1PodCertificateRequest } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import { validateAnnotations } from "../../validation/object-meta.ts";
import {
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  required,
  root,
  tooLong,
} from "../../validation/path.ts";
import { validateSignerName } from "../certificate-signing-request/validate.ts";

/** A day, which is also the most that signers of Kubernetes itself give. */
export const DEFAULT_SECONDS = 86_400;
export const MIN_EXPIRATION_SECONDS = 3600;
const MAX_SECONDS = 7_862_400;
const MAX_UID_BYTES = 128;
const MAX_KEY_BYTES = 10 * 1024;

/** The longest life that may be asked of a signer. */
export function maxExpirationOf(signerName: string): number {
  const [domain = ""] = signerName.split("/");
  return domain === "kubernetes.io" || domain.endsWith(".kubernetes.io") ? DEFAULT_SECONDS : MAX_SECONDS;
}

export function validateRequestedCertificate({ spec }: V1beta1PodCertificateRequest): FieldError[] {
  const path = root("spec");
  const names = [
    ["podName", spec.podName],
    ["serviceAccountName", spec.serviceAccountName],
    ["nodeName", spec.nodeName],
  ] as const;
  const uids = [
    ["podUID", spec.podUID],
    ["serviceAccountUID", spec.serviceAccountUID],
    ["nodeUID", spec.nodeUID],
  ] as const;
  return [
    ...validateSignerName(spec.signerName ?? "", path.child("signerName")),
    ...validateUserAnnotations(spec.unverifiedUserAnnotations, path.child("unverifiedUserAnnotations")),
    ...names.flatMap(([field, name = ""]) => invalidAll(path.child(field), name, isDns1123Subdomain(name))),
    ...uids.flatMap(([field, uid = ""]) => validateUid(uid, path.child(field))),
    ...validateLife(spec.maxExpirationSeconds, spec.signerName ?? "", path.child("maxExpirationSeconds")),
    ...validateKey(spec, path),
  ];
}

/** As annotations, each with a domain, so that it is clear whose word a key is. */
export function validateUserAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
): FieldError[] {
  const bare = Object.keys(annotations ?? {}).filter((key) => !key.includes("/"));
  const why = 'must be a domain-prefixed key (such as "acme.io/foo")';
  return [...validateAnnotations(annotations, path), ...bare.map((key) => invalidValue(path, key, why))];
}

function validateUid(uid: string, path: FieldPath): FieldError[] {
  if (uid === "") return [invalidValue(path, uid, "must not be empty")];
  return uid.length > MAX_UID_BYTES ? [tooLong(path, MAX_UID_BYTES)] : [];
}

function validateLife(seconds: number | undefined, signerName: string, path: FieldPath): FieldError[] {
  if (seconds === undefined) return [required(path, "must be set")];
  const max = maxExpirationOf(signerName);
  if (seconds >= MIN_EXPIRATION_SECONDS && seconds <= max) return [];
  return [invalidValue(path, seconds, `must be in the range [${MIN_EXPIRATION_SECONDS}, ${max}]`)];
}

/** The key comes in a request of its own, or as older kubelets give it, with a signature beside it. */
function validateKey(spec: V1beta1PodCertificateRequest["spec"], path: FieldPath): FieldError[] {
  const { stubPKCS10Request: stub, pkixPublicKey: key, proofOfPossession: proof } = spec;
  const given = Object.entries({ stubPKCS10Request: stub, pkixPublicKey: key, proofOfPossession: proof });
  const long = given.filter(([, text]) => Buffer.byteLength(text ?? "", "base64") > MAX_KEY_BYTES);
  if (long.length > 0) return long.map(([field]) => tooLong(path.child(field), MAX_KEY_BYTES));
  if (!stub && !key) return [required(path.child("stubPKCS10Request"), "must be set")];
  if (!stub) return [];
  const others = given.filter(([field, text]) => field !== "stubPKCS10Request" && text);
  return others.map(([field]) => forbiddenField(path.child(field), "must be empty if stubPKCS10Request is set"));
}
