// Whether a request for a certificate can be judged, and who may write which part of its fate.
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  IMMUTABLE,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  root,
} from "../../validation/path.ts";

type Csr = CertificateSigningRequest;

// Shorter lives would make clients renew all the time.
const MIN_SECONDS = 600;
// The key usages of X.509, extended ones included, by the names that upstream gave them.
const USAGES: ReadonlySet<string> = new Set([
  ...["signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment"],
  ...["cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing"],
  ...["email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing"],
  ...["microsoft sgc", "netscape sgc"],
]);

/** The request itself is PKCS#10 in PEM, base64 in JSON. Whether its signature holds is for the signer to see. */
export function validateRequest({ spec, status }: Csr): FieldError[] {
  const path = root("spec");
  const errors: FieldError[] = [];
  if (!isPemRequest(spec.request ?? "")) {
    const detail = "PEM block type must be CERTIFICATE REQUEST";
    errors.push(invalidValue(path.child("request"), spec.request ?? "", detail));
  }
  errors.push(...validateUsages(spec.usages ?? [], path.child("usages")));
  errors.push(...validateSignerName(spec.signerName ?? "", path.child("signerName")));
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < MIN_SECONDS) {
    const detail = "may not specify a duration less than 600 seconds (10 minutes)";
    errors.push(invalidValue(path.child("expirationSeconds"), spec.expirationSeconds, detail));
  }
  return [...errors, ...validateConditions(status?.conditions ?? [], root("status").child("conditions"))];
}

/** Whether base64 text holds one PEM block with a request. */
function isPemRequest(base64: string): boolean {
  const pem = Buffer.from(base64, "base64").toString("latin1").trim();
  return /^-----BEGIN CERTIFICATE REQUEST-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----$/.test(pem);
}

/** What the certificate shall be good for; the signer may refuse or leave out some. */
function validateUsages(usages: readonly string[], path: FieldPath): FieldError[] {
  if (usages.length === 0) return [required(path, "usages must be provided")];
  const valid = [...USAGES].sort();
  const seen = new Set<string>();
  return usages.flatMap((usage, i) => {
    const errors: FieldError[] = USAGES.has(usage) ? [] : [notSupported(path.index(i), usage, valid)];
    if (seen.has(usage)) errors.push(duplicate(path.index(i), usage));
    seen.add(usage);
    return errors;
  });
}

/** `domain/path`, where the path may have dots as a namespace and a name have. */
export function validateSignerName(name: string, path: FieldPath): FieldError[] {
  if (!name) return [required(path, "signerName must be provided")];
  const segments = name.split("/");
  const [domain = "", signer = ""] = segments;
  if (segments.length !== 2) {
    return [
      invalidValue(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ];
  }
  const errors = [...invalidAll(path, domain, isDns1123Subdomain(domain))];
  // `kubernetes.io/kube-apiserver-client`: the domain says who signs.
  if (!domain.includes("."))
    errors.push(invalidValue(path, domain, "should be a domain with at least two segments separated by dots"));
  for (const part of signer.split(".")) {
    if (isDns1123Label(part).length > 0) errors.push(...invalidAll(path, signer, isDns1123Subdomain(signer)));
  }
  return errors;
}

/** A request cannot be both approved and denied, by whomever. */
function validateConditions(conditions: readonly CertificateSigningRequestCondition[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  const types = new Set(conditions.map(({ type }) => type));
  for (const [i, { type, status }] of conditions.entries()) {
    const at = path.index(i);
    if (!type) errors.push(required(at.child("type")));
    if (!status) errors.push(required(at.child("status")));
    // These are there or not; there is no "Approved: False".
    else if ((type === "Approved" || type === "Denied" || type === "Failed") && status !== "True") {
      errors.push(notSupported(at.child("status"), status, ["True"]));
    } else if (!["True", "False", "Unknown"].includes(status)) {
      errors.push(notSupported(at.child("status"), status, ["False", "True", "Unknown"]));
    }
    if (seen.has(type)) errors.push(duplicate(at.child("type"), type));
    seen.add(type);
    if (type === "Denied" && types.has("Approved")) {
      errors.push(invalidValue(at.child("type"), type, "Approved and Denied conditions are mutually exclusive"));
    }
  }
  return errors;
}

/** Writes of the object itself, which may touch its metadata and no verdict. */
export function validateRequestUpdate(next: Csr, previous: Readonly<Csr>): FieldError[] {
  return [...refuseRemoval(next, previous), ...refuseVerdict(next, previous)];
}

/** Approvers give the verdict. */
export function validateApproval(next: Csr, previous: Readonly<Csr>): FieldError[] {
  return [
    ...validateConditions(next.status?.conditions ?? [], root("status").child("conditions")),
    ...refuseRemoval(next, previous),
  ];
}

/** Signers add the certificate or a failure. */
export function validateSignerUpdate(next: Csr, previous: Readonly<Csr>): FieldError[] {
  const path = root("status");
  const errors = [
    ...validateConditions(next.status?.conditions ?? [], path.child("conditions")),
    ...refuseRemoval(next, previous),
    ...refuseVerdict(next, previous),
  ];
  const before = previous.status?.certificate;
  const after = next.status?.certificate;
  // Clients take the first certificate they see; it must be the only one.
  if (before && after !== before) errors.push(invalidValue(path.child("certificate"), after ?? "", IMMUTABLE));
  if (after && !before && !isPemCertificates(after)) {
    const detail = "must contain one or more PEM blocks of type CERTIFICATE";
    errors.push(invalidValue(path.child("certificate"), "<certificate data>", detail));
  }
  return errors;
}

/** The chain as the signer wrote it; whether it answers the request is not judged here. */
function isPemCertificates(base64: string): boolean {
  const pem = Buffer.from(base64, "base64").toString("latin1");
  return pem.includes("-----BEGIN CERTIFICATE-----") && pem.includes("-----END CERTIFICATE-----");
}

const conditionsPath = root("status").child("conditions");

function conditionsOf(request: Readonly<Csr>, type: string): CertificateSigningRequestCondition[] {
  return (request.status?.conditions ?? []).filter((condition) => condition.type === type);
}

/** What was said of a request stays said. */
function refuseRemoval(next: Csr, previous: Readonly<Csr>): FieldError[] {
  return ["Approved", "Denied", "Failed"]
    .filter((type) => conditionsOf(next, type).length < conditionsOf(previous, type).length)
    .map((type) => forbiddenField(conditionsPath, `updates may not remove a condition of type "${type}"`));
}

/** Only approvers give a verdict. */
function refuseVerdict(next: Csr, previous: Readonly<Csr>): FieldError[] {
  return ["Approved", "Denied"].flatMap((type) => {
    const before = conditionsOf(previous, type);
    const after = conditionsOf(next, type);
    // A removal is refused already.
    if (after.length < before.length || deepEqual(before, after)) return [];
    const what = after.length > before.length ? "add" : "modify";
    return [forbiddenField(conditionsPath, `updates may not ${what} a condition of type "${type}"`)];
  });
}
