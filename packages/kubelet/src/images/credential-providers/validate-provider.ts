// What a credential provider's configuration must satisfy, in upstream's words and under its paths. Pure.
import type { FieldError } from "@skiff/api/errors.ts";
import { isQualifiedName } from "@skiff/api/validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  root,
} from "@skiff/api/validation/path.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Of the messages to and from plug-ins. Only the first has room for a token. */
const PROTOCOL_VERSION = "credentialprovider.kubelet.k8s.io/v1";
const PROTOCOL_VERSIONS = [
  PROTOCOL_VERSION,
  "credentialprovider.kubelet.k8s.io/v1alpha1",
  "credentialprovider.kubelet.k8s.io/v1beta1",
];
const CACHE_TYPES = ["ServiceAccount", "Token"];

/** Upstream names no index, so neither do we: the values shown tell which plug-in is meant. */
const PATH = root("providers");

export function validateProviders(providers: readonly Fields[]): FieldError[] {
  return providers.length > 0 ? [] : [required(PATH, "at least 1 item in plugins is required")];
}

export function validateProvider(provider: Fields): FieldError[] {
  const { apiVersion, matchImages, defaultCacheDuration, tokenAttributes } = provider;
  const errors = validateName(String(provider.name ?? ""));
  if (!apiVersion) errors.push(required(PATH.child("apiVersion")));
  else if (!PROTOCOL_VERSIONS.includes(String(apiVersion))) {
    errors.push(notSupported(PATH.child("apiVersion"), apiVersion, PROTOCOL_VERSIONS));
  }
  if (!Array.isArray(matchImages) || matchImages.length === 0) {
    errors.push(required(PATH.child("matchImages"), "at least 1 item in matchImages is required"));
  }
  const cache = PATH.child("defaultCacheDuration");
  if (!defaultCacheDuration) errors.push(required(cache));
  else if (String(defaultCacheDuration).startsWith("-")) {
    errors.push(invalidValue(cache, defaultCacheDuration, "defaultCacheDuration must be greater than or equal to 0"));
  }
  if (tokenAttributes) errors.push(...validateAttributes(tokenAttributes as Fields, String(apiVersion ?? "")));
  return errors;
}

/** It becomes a file's name. */
function validateName(name: string): FieldError[] {
  const path = PATH.child("name");
  if (!name) return [required(path, "name is required")];
  const errors: FieldError[] = [];
  if (name.includes("/")) errors.push(invalidValue(path, name, "provider name cannot contain '/'"));
  if (name.includes(" ")) errors.push(invalidValue(path, name, "provider name cannot contain spaces"));
  if (name === "." || name === "..") errors.push(invalidValue(path, name, `provider name cannot be '${name}'`));
  return errors;
}

function validateAttributes(attributes: Fields, apiVersion: string): FieldError[] {
  const path = PATH.child("tokenAttributes");
  const errors: FieldError[] = [];
  if (!attributes.serviceAccountTokenAudience) errors.push(required(path.child("serviceAccountTokenAudience")));
  if (typeof attributes.requireServiceAccount !== "boolean") {
    errors.push(required(path.child("requireServiceAccount")));
  }
  if (apiVersion !== PROTOCOL_VERSION) {
    errors.push(forbiddenField(path, `tokenAttributes is only supported for ${PROTOCOL_VERSION} API version`));
  }
  const [must, may] = ["requiredServiceAccountAnnotationKeys", "optionalServiceAccountAnnotationKeys"] as const;
  const [needed, wanted] = [keysOf(attributes[must]), keysOf(attributes[may])];
  // Without an account there is nobody to have them.
  if (attributes.requireServiceAccount === false && needed.length > 0) {
    const why = "requireServiceAccount cannot be false when requiredServiceAccountAnnotationKeys is set";
    errors.push(forbiddenField(path.child(must), why));
  }
  errors.push(...validateKeys(path.child(must), needed), ...validateKeys(path.child(may), wanted));
  const both = [...new Set(needed)].filter((key) => wanted.includes(key)).sort();
  if (both.length > 0) errors.push(invalidValue(path, both, "annotation keys cannot be both required and optional"));
  return [...errors, ...validateCacheType(path.child("cacheType"), attributes.cacheType)];
}

function keysOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** As annotations are judged: the case does not matter. */
function validateKeys(path: FieldPath, keys: readonly string[]): FieldError[] {
  return keys.flatMap((key, index) => [
    ...invalidAll(path, key, isQualifiedName(key.toLowerCase())),
    ...(keys.indexOf(key) < index ? [duplicate(path, key)] : []),
  ]);
}

function validateCacheType(path: FieldPath, value: unknown): FieldError[] {
  if (!value) {
    const all = CACHE_TYPES.join(", ");
    const why = `cacheType is required to be set when tokenAttributes is specified. Supported values are: ${all}`;
    return [required(path, why)];
  }
  return CACHE_TYPES.includes(String(value)) ? [] : [notSupported(path, value, CACHE_TYPES)];
}
