// Projected volumes: several sources in one directory, which must not write the same file.
import type {
  PodCertificateProjection,
  ProjectedVolumeSource,
  SecretProjection,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, forbiddenField, invalidValue, notSupported, required } from "../../validation/path.ts";
import { validateSignerName } from "../certificate-signing-request/validate.ts";
import {
  MIN_EXPIRATION_SECONDS,
  maxExpirationOf,
  validateUserAnnotations,
} from "../pod-certificate-request/validate.ts";
import { validateLocalPath, validateProjectedPath } from "./validate-paths.ts";
import { validateDownwardFile, validateItem, validateMode } from "./validate-volume-items.ts";

/** Checks every source, and that no two of them claim one path; the mode is octal and at most 0777. */
export function validateProjected(volume: ProjectedVolumeSource, path: FieldPath): FieldError[] {
  const errors = validateMode(volume.defaultMode, path.child("defaultMode"));
  const files = new FilePaths(path);
  for (const [i, source] of (volume.sources ?? []).entries()) {
    const at = path.child("sources").index(i);
    errors.push(...validateSource(source, path, at, files));
    if (SOURCES.filter((name) => source[name] !== undefined).length > 1) {
      errors.push(forbiddenField(at, "may not specify more than 1 volume type per source"));
    }
  }
  return errors;
}

/** The files of one volume; two sources must not write the same one. */
class FilePaths {
  readonly #path: FieldPath;
  readonly #taken = new Set<string>();

  constructor(path: FieldPath) {
    this.#path = path;
  }

  /** `value` is what upstream's error shows. */
  claim(file: string | undefined, value: string | undefined): FieldError[] {
    if (!file) return [];
    const isTaken = this.#taken.has(file);
    this.#taken.add(file);
    return isTaken ? [invalidValue(this.#path, value ?? "", "conflicting duplicate paths")] : [];
  }
}

// One list for "more than one kind"; the kinds themselves are checked one by one below.
const SOURCES = [
  "secret",
  "configMap",
  "downwardAPI",
  "serviceAccountToken",
  "clusterTrustBundle",
  "podCertificate",
] as const satisfies readonly (keyof VolumeProjection)[];

/** A source may be of several kinds, or of none: upstream checks what is there. */
function validateSource(source: VolumeProjection, volume: FieldPath, path: FieldPath, files: FilePaths): FieldError[] {
  const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  const errors: FieldError[] = [];
  if (secret) errors.push(...validateKeys(secret, path.child("secret"), files));
  if (configMap) errors.push(...validateKeys(configMap, path.child("configMap"), files));
  for (const file of downwardAPI?.items ?? []) {
    errors.push(...validateDownwardFile(file, path.child("downwardAPI")), ...files.claim(file.path, file.path));
  }
  if (serviceAccountToken) {
    errors.push(...validateToken(serviceAccountToken, volume.child("path"), path.child("serviceAccountToken")));
  }
  if (clusterTrustBundle) {
    const at = path.child("clusterTrustBundle", "path");
    errors.push(...(clusterTrustBundle.path ? validateLocalPath(clusterTrustBundle.path, at) : [required(at)]));
    errors.push(...files.claim(clusterTrustBundle.path, clusterTrustBundle.path));
  }
  if (podCertificate) errors.push(...validateCertificate(podCertificate, path.child("podCertificate"), files));
  return errors;
}

const KEY_TYPES = ["ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"];

/** The key and the certificate may lie in one file or in two, or in both. */
function validateCertificate(source: PodCertificateProjection, path: FieldPath, files: FilePaths): FieldError[] {
  const { signerName = "", keyType, maxExpirationSeconds: seconds } = source;
  const errors = validateSignerName(signerName, path.child("signerName"));
  if (!KEY_TYPES.includes(keyType ?? "")) errors.push(notSupported(path.child("keyType"), keyType ?? "", KEY_TYPES));
  const max = maxExpirationOf(signerName);
  const at = path.child("maxExpirationSeconds");
  if (seconds === undefined) errors.push(required(at));
  else if (seconds < MIN_EXPIRATION_SECONDS || seconds > max) {
    const why = `if provided, maxExpirationSeconds must be >= ${MIN_EXPIRATION_SECONDS} and <= ${max}`;
    errors.push(invalidValue(at, seconds, why));
  }
  const names = (["credentialBundlePath", "keyPath", "certificateChainPath"] as const).filter((name) => source[name]);
  if (names.length === 0) {
    errors.push(required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"));
  }
  for (const name of names) {
    errors.push(...validateLocalPath(source[name] ?? "", path.child(name)), ...files.claim(source[name], source[name]));
  }
  return [...errors, ...validateUserAnnotations(source.userAnnotations, path.child("userAnnotations"))];
}

/** ConfigMaps and Secrets have the same shape here. Without `items` all keys become files, known only at run time. */
function validateKeys({ name, items }: SecretProjection, path: FieldPath, files: FilePaths): FieldError[] {
  const errors = name ? [] : [required(path.child("name"))];
  for (const [i, item] of (items ?? []).entries()) {
    errors.push(...validateItem(item, path.child("items").index(i)), ...files.claim(item.path, name));
  }
  return errors;
}

/** `filePath` is the volume's: upstream reports the token's file there. */
function validateToken(
  { expirationSeconds, path: file }: ServiceAccountTokenProjection,
  filePath: FieldPath,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  const at = path.child("expirationSeconds");
  // The kubelet renews a token at 80 % of its life; shorter lives would make it ask all the time.
  if (expirationSeconds !== undefined && expirationSeconds < 600) {
    errors.push(invalidValue(at, expirationSeconds, "may not specify a duration less than 10 minutes"));
  } else if (expirationSeconds !== undefined && expirationSeconds > 2 ** 32) {
    errors.push(invalidValue(at, expirationSeconds, "may not specify a duration larger than 2^32 seconds"));
  }
  return [...errors, ...(file ? validateProjectedPath(file, filePath) : [required(filePath)])];
}
