// Where a webhook is: a URL, or a Service of the cluster. Admission and conversion say it alike.
import type { FieldError } from "../../errors.ts";
import { isDns1123Subdomain, isPortNumber } from "../../validation/names.ts";
import { type FieldPath, invalidValue, required } from "../../validation/path.ts";

interface ClientConfig {
  readonly url?: string | undefined;
  readonly service?: ServiceReference | undefined;
}

interface ServiceReference {
  readonly name: string;
  readonly namespace: string;
  readonly path?: string | undefined;
  readonly port?: number | undefined;
}

const URL_FORM = "desired format: https://host[/path]";

export function validateClientConfig(config: ClientConfig, path: FieldPath): FieldError[] {
  if ((config.url === undefined) === (config.service === undefined)) {
    return [required(path, "exactly one of url or service is required")];
  }
  if (config.url !== undefined) return validateUrl(config.url, path.child("url"));
  return config.service ? validateService(config.service, path.child("service")) : [];
}

function validateUrl(text: string, path: FieldPath): FieldError[] {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return [required(path, `url must be a valid URL: ${text}; ${URL_FORM}`)];
  }
  const errors: FieldError[] = [];
  const wrong = (detail: string) => errors.push(invalidValue(path, text, detail));
  if (url.protocol !== "https:") {
    wrong(`'https' is the only allowed URL scheme; ${URL_FORM}`);
  }
  if (!url.host) wrong(`host must be specified; ${URL_FORM}`);
  if (url.username || url.password) wrong("user information is not permitted in the URL");
  if (url.hash) wrong("fragments are not permitted in the URL");
  if (url.search) wrong("query parameters are not permitted in the URL");
  return errors;
}

function validateService(service: ServiceReference, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (!service.name) errors.push(required(path.child("name"), "service name is required"));
  if (!service.namespace) errors.push(required(path.child("namespace"), "service namespace is required"));
  const port = service.port ?? 443;
  if (isPortNumber(port).length > 0) {
    const detail = `port is not valid: ${isPortNumber(port).join(",")}`;
    errors.push(invalidValue(path.child("port"), port, detail));
  }
  return [...errors, ...validatePath(service.path, path.child("path"))];
}

function validatePath(text: string | undefined, path: FieldPath): FieldError[] {
  if (text === undefined || text === "" || text === "/") return [];
  if (!text.startsWith("/")) return [invalidValue(path, text, "must start with a '/'")];
  const steps = (text.endsWith("/") ? text.slice(1, -1) : text.slice(1)).split("/");
  return steps.flatMap((step, i) => {
    if (step === "") return [invalidValue(path, text, `segment[${i}] may not be empty`)];
    return isDns1123Subdomain(step).map((message) => invalidValue(path, text, `segment[${i}]: ${message}`));
  });
}
