// Projected volumes: several sources in one directory, which must not write the same file.
import type {
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { duplicate, type FieldPath, forbiddenField, invalidValue, required } from "../../validation/path.ts";
import { validateLocalPath } from "./validate-paths.ts";
import { validateDownwardFile, validateItems, validateMode } from "./validate-volume-items.ts";

export function validateProjected(volume: ProjectedVolumeSource, path: FieldPath): FieldError[] {
  const errors = validateMode(volume.defaultMode, path.child("defaultMode"));
  const paths = new Set<string>();
  for (const [i, source] of (volume.sources ?? []).entries()) {
    const at = path.child("sources").index(i);
    errors.push(...validateSource(source, at), ...validateNoConflicts(source, paths, path));
  }
  return errors;
}

type SourceName = keyof VolumeProjection;
const SOURCES: readonly SourceName[] = [
  "secret",
  "configMap",
  "downwardAPI",
  "serviceAccountToken",
  "clusterTrustBundle",
  "podCertificate",
];

function validateSource(source: VolumeProjection, path: FieldPath): FieldError[] {
  const [first, ...more] = SOURCES.filter((name) => source[name] !== undefined);
  if (!first) return [required(path, "must specify a volume type")];
  const errors = validateOne(source, first, path.child(first));
  for (const name of more) errors.push(forbiddenField(path.child(name), "may not specify more than 1 volume type"));
  return errors;
}

function validateOne(source: VolumeProjection, name: SourceName, path: FieldPath): FieldError[] {
  switch (name) {
    case "secret":
    case "configMap": {
      const projection = source[name];
      const errors = projection?.name ? [] : [required(path.child("name"))];
      return [...errors, ...validateItems(projection?.items, path)];
    }
    case "downwardAPI":
      return (source.downwardAPI?.items ?? []).flatMap((item, i) =>
        validateDownwardFile(item, path.child("items").index(i)),
      );
    case "serviceAccountToken":
      return source.serviceAccountToken ? validateToken(source.serviceAccountToken, path) : [];
    case "clusterTrustBundle":
      return source.clusterTrustBundle?.path ? [] : [required(path.child("path"))];
    default:
      return [];
  }
}

function validateToken(
  { expirationSeconds, path: file }: ServiceAccountTokenProjection,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  const at = path.child("expirationSeconds");
  if (expirationSeconds !== undefined && expirationSeconds < 600) {
    errors.push(invalidValue(at, expirationSeconds, "may not specify a duration less than 10 minutes"));
  } else if (expirationSeconds !== undefined && expirationSeconds > 2 ** 32) {
    errors.push(invalidValue(at, expirationSeconds, "may not specify a duration larger than 2^32 seconds"));
  }
  return file ? [...errors, ...validateLocalPath(file, path.child("path"))] : [...errors, required(path.child("path"))];
}

function validateNoConflicts(source: VolumeProjection, paths: Set<string>, path: FieldPath): FieldError[] {
  const files = [
    ...(source.secret?.items ?? []),
    ...(source.configMap?.items ?? []),
    ...(source.downwardAPI?.items ?? []),
    ...(source.serviceAccountToken ? [source.serviceAccountToken] : []),
  ].map((item) => item.path);
  return files.flatMap((file) => {
    if (!file) return [];
    const taken = paths.has(file);
    paths.add(file);
    return taken ? [{ ...duplicate(path, file), detail: "conflicting duplicate paths" }] : [];
  });
}
