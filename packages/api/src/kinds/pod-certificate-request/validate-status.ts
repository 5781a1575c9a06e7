// What a signer may say to a request: once, and of a certificate that fits what it says of it. Pure.
import { X509Certificate } from "node:crypto";
import type { Condition, V1beta1PodCertificateRequest } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { OMITTED_VALUE } from "../../errors.ts";
import { pemBlocks } from "../../pem-blocks.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { type FieldPath, invalidValue, notSupported, required, root, tooLong } from "../../validation/path.ts";

type Request = V1beta1PodCertificateRequest;
type Status = NonNullable<Request["status"]>;

const VERDICTS = ["Issued", "Denied", "Failed"];
const MAX_CHAIN_BYTES = 100 * 1024;
const MIN_LIFE_MS = 3_600_000;
/** A refresh needs time on both sides. */
const REFRESH_MARGIN_MS = 600_000;
const PATH = root("status");

export function validateIssue(next: Request, previous: Readonly<Request>): FieldError[] {
  const status = next.status ?? {};
  const conditions = status.conditions ?? [];
  const errors = validateConditions(conditions, PATH.child("conditions"));
  if (errors.length > 0) return errors;
  const whole = (detail: string) => [invalidValue(PATH, OMITTED_VALUE, detail)];
  const isSame = deepEqual(status, previous.status ?? {});
  if (verdictOf(previous.status)) {
    return isSame ? [] : whole("immutable after PodCertificateRequest is issued, denied, or failed");
  }
  const verdict = verdictOf(status);
  if (verdict === "Issued") return validateChain(status, next.spec.maxExpirationSeconds ?? 0);
  if (!verdict) {
    return isSame ? [] : whole('status is immutable unless transitioning to "Issued", "Denied", or "Failed"');
  }
  const { conditions: _, ...others } = status;
  const hasOthers = Object.values(others).some((value) => value !== undefined);
  return hasOthers
    ? whole("non-condition status fields must be empty when denying or failing the PodCertificateRequest")
    : [];
}

function verdictOf(status: Status | undefined): string | undefined {
  return status?.conditions?.find(({ type, status: is }) => VERDICTS.includes(type) && is === "True")?.type;
}

function validateConditions(conditions: readonly Condition[], path: FieldPath): FieldError[] {
  return conditions.flatMap((condition, i) => {
    const at = path.index(i);
    const errors: FieldError[] = [];
    if (!VERDICTS.includes(condition.type)) errors.push(notSupported(at.child("type"), condition.type, VERDICTS));
    else if (i > 0) {
      const why = 'There may be at most one condition with type "Issued", "Denied", or "Failed"';
      errors.push(invalidValue(at.child("type"), condition.type, why));
    }
    if (condition.status !== "True") errors.push(notSupported(at.child("status"), condition.status, ["True"]));
    if (!condition.reason) errors.push(required(at.child("reason")));
    return errors;
  });
}

function validateChain(status: Status, maxSeconds: number): FieldError[] {
  const path = PATH.child("certificateChain");
  const chain = status.certificateChain ?? "";
  const refuse = (why: string) => [invalidValue(path, chain, why)];
  if (chain.length > MAX_CHAIN_BYTES) return [tooLong(path, MAX_CHAIN_BYTES)];
  const blocks = pemBlocks(chain);
  if (blocks.length === 0) return refuse("issued certificate chain must contain at least one certificate");
  if (blocks.some(({ type }) => type !== "CERTIFICATE")) {
    return refuse("issued certificate chain must consist entirely of CERTIFICATE PEM blocks");
  }
  const certificates = blocks.map(({ der }) => parsed(der));
  const [leaf] = certificates;
  if (!leaf) return refuse("leaf certificate does not parse as valid X.509");
  if (certificates.includes(undefined)) return refuse("intermediate certificate does not parse as valid X.509");
  return validateTimes(status, leaf, maxSeconds, refuse);
}

function validateTimes(
  { notBefore, notAfter, beginRefreshAt }: Status,
  leaf: X509Certificate,
  maxSeconds: number,
  refuse: (why: string) => FieldError[],
): FieldError[] {
  const consistent = "must be present and consistent with the issued certificate";
  const margins = "must be present and in the range [notbefore+10min, notafter-10min]";
  const missing = [
    ...(notBefore ? [] : [required(PATH.child("notBefore"), consistent)]),
    ...(notAfter ? [] : [required(PATH.child("notAfter"), consistent)]),
    ...(beginRefreshAt ? [] : [required(PATH.child("beginRefreshAt"), margins)]),
  ];
  if (!notBefore || !notAfter || !beginRefreshAt) return missing;
  const [from, to, refresh] = [notBefore, notAfter, beginRefreshAt].map((time) => Date.parse(time)) as [
    number,
    number,
    number,
  ];
  const wrong = (field: string, value: string, why: string) => [invalidValue(PATH.child(field), value, why)];
  if (from !== Date.parse(leaf.validFrom)) {
    return wrong("notBefore", notBefore, "must be set to the NotBefore time encoded in the leaf certificate");
  }
  if (to !== Date.parse(leaf.validTo)) {
    return wrong("notAfter", notAfter, "must be set to the NotAfter time encoded in the leaf certificate");
  }
  if (to - from < MIN_LIFE_MS) return refuse("leaf certificate lifetime must be >= 1 hour");
  if (to - from > maxSeconds * 1000) {
    return refuse(`leaf certificate lifetime must be <= spec.maxExpirationSeconds (${maxSeconds})`);
  }
  if (refresh < from + REFRESH_MARGIN_MS) {
    return wrong("beginRefreshAt", beginRefreshAt, "must be at least 10 minutes after status.notBefore");
  }
  if (refresh > to - REFRESH_MARGIN_MS) {
    return wrong("beginRefreshAt", beginRefreshAt, "must be at least 10 minutes before status.notAfter");
  }
  return [];
}

function parsed(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    // OpenSSL's own words would tell nobody more.
    return undefined;
  }
}
