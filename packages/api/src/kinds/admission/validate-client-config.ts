// Where a webhook is: a URL, or a Service of the cluster. Admission and conversion say it alike.
import type { FieldError } from "../../errors.ts";
import { isDns1123Subdomain, isPortNumber } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, required } from "../../validation/path.ts";

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

// Tells a broken URL from a text that is only a path.
const SCHEME_RE = /^[a-z][a-z0-9+.-]*:/i;
const URL_FORM = "desired format: https://host[/path]";

/** A webhook sees every object it is sent, which is why nothing but HTTPS will do. */
export function validateClientConfig(config: ClientConfig, path: FieldPath): FieldError[] {
  if ((config.url === undefined) === (config.service === undefined)) {
    return [required(path, "exactly one of url or service is required")];
  }
  if (config.url !== undefined) return validateUrl(config.url, path.child("url"));
  return config.service ? validateService(config.service, path.child("service")) : [];
}

function validateUrl(text: string, path: FieldPath): FieldError[] {
  const url = URL.parse(text);
  if (text.startsWith(":")) {
    return [
      required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: missing protocol scheme; ${URL_FORM}`),
    ];
  }
  if (!url && SCHEME_RE.test(text)) return [required(path, `url must be a valid URL: ${text}; ${URL_FORM}`)];
  const errors: FieldError[] = [];
  const wrong = (value: string, detail: string) => errors.push(invalidValue(path, value, detail));
  // What has no scheme is a path to upstream's parser: valid, but of no host.
  const scheme = url?.protocol.slice(0, -1) ?? "";
  if (scheme !== "https") wrong(scheme, `'https' is the only allowed URL scheme; ${URL_FORM}`);
  if (!url?.host) wrong("", `host must be specified; ${URL_FORM}`);
  // Credentials are in the apiserver's own configuration, and objects can be read by many.
  const user = url?.password ? `${url.username}:${url.password}` : url?.username;
  if (user) wrong(user, "user information is not permitted in the URL");
  if (url?.hash) wrong(url.hash.slice(1), "fragments are not permitted in the URL");
  if (url?.search) wrong(url.search.slice(1), "query parameters are not permitted in the URL");
  return errors;
}

function validateService(service: ServiceReference, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (!service.name) errors.push(required(path.child("name")));
  if (!service.namespace) errors.push(required(path.child("namespace")));
  const port = service.port ?? 443;
  if (isPortNumber(port).length > 0) {
    const detail = `port is not valid: ${isPortNumber(port).join(",")}`;
    errors.push(invalidValue(path.child("port"), port, detail));
  }
  return [...errors, ...validatePath(service.path, path.child("path"))];
}

function validatePath(text: string | undefined, path: FieldPath): FieldError[] {
  if (text === undefined || text === "" || text === "/") return [];
  const errors = text.startsWith("/") ? [] : [invalidValue(path, text, "must start with a '/'")];
  // Whatever the first character is, the segments begin after it.
  const steps = text.slice(1).replace(/\/$/, "").split("/");
  for (const [i, step] of steps.entries()) {
    if (step === "") errors.push(invalidValue(path, text, `segment[${i}] may not be empty`));
    else
      errors.push(
        ...invalidAll(
          path,
          text,
          isDns1123Subdomain(step).map((message) => `segment[${i}]: ${message}`),
        ),
      );
  }
  return errors;
}
