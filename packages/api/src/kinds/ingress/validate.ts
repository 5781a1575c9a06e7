// Whether the rules of an Ingress lead somewhere.
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressRule,
  IngressSpec,
  IngressTLS,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { parseIp } from "../../ip.ts";
import {
  isDns1035Label,
  isDns1123Subdomain,
  isPathSegmentName,
  isPortName,
  isPortNumber,
  isValidIp,
  isWildcardDns1123Subdomain,
} from "../../validation/names.ts";
import {
  type FieldPath,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
  root,
} from "../../validation/path.ts";

// From before there were IngressClasses; controllers still read it.
const OLD_CLASS = "kubernetes.io/ingress.class";
// Sorted, as upstream lists them.
const PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"];
// Proxies normalise paths before they match, so that such a rule would match something else or nothing.
const BAD_SEQUENCES = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDINGS = ["/..", "/."];

/** Services and Secrets need not exist yet. */
export function validateIngress({ spec = {} }: Ingress): FieldError[] {
  const path = root("spec");
  const errors = validateRules(spec.rules ?? [], path.child("rules"));
  if (spec.defaultBackend) errors.push(...validateBackend(spec.defaultBackend, path.child("defaultBackend")));
  if (!spec.rules?.length && !spec.defaultBackend) {
    errors.push(invalidValue(path, spec.rules ?? null, "either `defaultBackend` or `rules` must be specified"));
  }
  for (const [i, tls] of (spec.tls ?? []).entries()) errors.push(...validateTls(tls, path.child("tls").index(i)));
  return [...errors, ...validateClassName(spec, path)];
}

/** The annotation is what the field was before; both at once may contradict each other. */
export function validateIngressCreate({ metadata, spec }: Ingress): FieldError[] {
  const annotation = metadata.annotations?.[OLD_CLASS];
  if (annotation === undefined || spec?.ingressClassName === undefined) return [];
  if (annotation === spec.ingressClassName) return [];
  const path = root("metadata").child("annotations").child(OLD_CLASS);
  return [invalidValue(path, annotation, "must match `ingressClassName` when both are specified")];
}

function validateClassName({ ingressClassName: name }: IngressSpec, path: FieldPath): FieldError[] {
  return name === undefined ? [] : invalidAll(path.child("ingressClassName"), name, isDns1123Subdomain(name));
}

/** Hosts may begin with `*.`; whether a certificate covers them is for the controller to see. */
function validateTls({ hosts, secretName }: IngressTLS, path: FieldPath): FieldError[] {
  const errors = itemErrors(hosts ?? [], (host, i) => {
    const messages = host.includes("*") ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host);
    return invalidAll(path.child("hosts").index(i), host, messages);
  });
  if (!secretName) return errors;
  return [...errors, ...invalidAll(path.child("secretName"), secretName, isDns1123Subdomain(secretName))];
}

function validateRules(rules: readonly IngressRule[], path: FieldPath): FieldError[] {
  return itemErrors(rules, (rule, i) => validateRule(rule, path.index(i)));
}

/** No host means every host. */
function validateRule({ host, http }: IngressRule, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (host) {
    const at = path.child("host");
    if (parseIp(host)) errors.push(invalidValue(at, host, "must be a DNS name, not an IP address"));
    errors.push(
      ...invalidAll(at, host, host.includes("*") ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host)),
    );
  }
  if (!http) return errors;
  const at = path.child("http", "paths");
  // A rule that is there has to lead somewhere.
  if (!http.paths?.length) return [...errors, required(at)];
  return [...errors, ...itemErrors(http.paths, (one, i) => validatePath(one, at.index(i)))];
}

function validatePath({ path: text = "", pathType, backend }: HTTPIngressPath, path: FieldPath): FieldError[] {
  if (!pathType) return [required(path.child("pathType"), "pathType must be specified")];
  const at = path.child("path");
  const errors: FieldError[] = [];
  if (pathType === "Exact" || pathType === "Prefix") {
    // Both types compare the path of the request, which begins with a slash.
    if (!text.startsWith("/")) errors.push(invalidValue(at, text, "must be an absolute path"));
    for (const bad of BAD_SEQUENCES) {
      if (text.includes(bad)) errors.push(invalidValue(at, text, `must not contain '${bad}'`));
    }
    for (const bad of BAD_ENDINGS) {
      if (text.endsWith(bad)) errors.push(invalidValue(at, text, `cannot end with '${bad}'`));
    }
  } else if (pathType === "ImplementationSpecific") {
    // An empty path, or a pattern, is what the controller makes of it.
    if (text && !text.startsWith("/")) errors.push(invalidValue(at, text, "must be an absolute path"));
  } else {
    errors.push(notSupported(path.child("pathType"), pathType, PATH_TYPES));
  }
  return [...errors, ...validateBackend(backend ?? {}, path.child("backend"))];
}

/** A Service and its port, or any object in the namespace that the controller knows, such as a bucket. */
function validateBackend({ service, resource }: IngressBackend, path: FieldPath): FieldError[] {
  if (service && resource) return [invalidValue(path, "", "cannot set both resource and service backends")];
  if (resource) {
    const at = path.child("resource");
    const errors: FieldError[] = [];
    if (resource.apiGroup !== undefined)
      errors.push(...invalidAll(at.child("apiGroup"), resource.apiGroup, isDns1123Subdomain(resource.apiGroup)));
    for (const field of ["kind", "name"] as const) {
      const value = resource[field];
      errors.push(
        ...(value
          ? invalidAll(at.child(field), value, isPathSegmentName(value))
          : [required(at.child(field), `${field} is required`)]),
      );
    }
    return errors;
  }
  if (!service) return [invalidValue(path, "", "resource or service backend is required")];
  return validateService(service, path);
}

/** `path` is the backend's, which upstream blames for a port that is missing or named twice. */
function validateService({ name, port }: NonNullable<IngressBackend["service"]>, path: FieldPath): FieldError[] {
  const at = path.child("service");
  const errors = name ? invalidAll(at.child("name"), name, isDns1035Label(name)) : [required(at.child("name"))];
  const { name: portName = "", number = 0 } = port ?? {};
  // The port is found by one of the two.
  if (portName && number !== 0) return [...errors, invalidValue(path, "", "cannot set both port name & port number")];
  if (portName) return [...errors, ...invalidAll(at.child("port", "name"), portName, isPortName(portName))];
  if (number === 0) return [...errors, required(path, "port name or number is required")];
  return [...errors, ...invalidAll(at.child("port", "number"), number, isPortNumber(number))];
}

/** The addresses under which the controller serves. */
export function validateIngressStatus({ status }: Ingress): FieldError[] {
  const path = root("status").child("loadBalancer", "ingress");
  return itemErrors(status?.loadBalancer?.ingress ?? [], ({ ip, hostname }, i) => {
    const at = path.index(i);
    const errors = ip ? invalidAll(at.child("ip"), ip, isValidIp(ip)) : [];
    if (!hostname) return errors;
    errors.push(...invalidAll(at.child("hostname"), hostname, isDns1123Subdomain(hostname)));
    if (parseIp(hostname))
      errors.push(invalidValue(at.child("hostname"), hostname, "must be a DNS name, not an IP address"));
    return errors;
  });
}
