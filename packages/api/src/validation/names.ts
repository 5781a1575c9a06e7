// Upstream's syntax checks of names and small values. Each returns the messages of what is wrong; empty when fine.
import { parseIp } from "../ip.ts";

// The patterns stand in the messages as they are, so that they are spelled as upstream spells them.
const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${QUALIFIED})?`;
const LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_UNDERSCORE = `${LABEL_UNDERSCORE}(\\.${LABEL_UNDERSCORE})*`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";
const HTTP_HEADER = "[-A-Za-z0-9]+";
const PERCENT = "[0-9]+%";
const URL_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

// Upstream's patterns match anywhere by themselves.
const whole = (pattern: string) => new RegExp(`^(?:${pattern})$`);
const LABEL_RE = whole(LABEL);
const SUBDOMAIN_RE = whole(SUBDOMAIN);
const WILDCARD_RE = whole(`\\*\\.${SUBDOMAIN}`);
const LABEL_1035_RE = whole(LABEL_1035);
const QUALIFIED_RE = whole(QUALIFIED);
const LABEL_VALUE_RE = whole(LABEL_VALUE);
const SUBDOMAIN_UNDERSCORE_RE = whole(SUBDOMAIN_UNDERSCORE);
const CONFIG_KEY_RE = whole(CONFIG_KEY);
const HTTP_HEADER_RE = whole(HTTP_HEADER);
const PERCENT_RE = whole(PERCENT);
const URL_PATH_RE = whole(URL_PATH);
const PORT_CHARACTERS_RE = /^[-a-z0-9]+$/;
const LETTER_RE = /[a-z]/;
// Printable ASCII but "=": what an environment variable may be called since RelaxedEnvironmentVariableValidation.
const ENV_NAME_RE = /^[ -<>-~]*$/;

// DNS allows 63 bytes for a label and 253 for a whole name.
const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;
const OK: readonly string[] = [];

/** Names of namespaces, containers, volumes and of all that becomes one part of a DNS name. */
export function isDns1123Label(text: string): string[] {
  const errors = maxLength(text, MAX_LABEL);
  if (LABEL_RE.test(text)) return errors;
  // A subdomain of the right length can only be wrong for its dots.
  if (SUBDOMAIN_RE.test(text)) return [...errors, "must not contain dots"];
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...errors, regexError(rule, LABEL, "my-name", "123-abc")];
}

/** Names of most objects: labels with dots between them. */
export function isDns1123Subdomain(text: string): string[] {
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return matches(text, MAX_SUBDOMAIN, SUBDOMAIN_RE, () => regexError(rule, SUBDOMAIN, "example.com"));
}

/** `*.example.com` */
export function isWildcardDns1123Subdomain(text: string): string[] {
  const pattern = `\\*\\.${SUBDOMAIN}`;
  const rule =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return matches(text, MAX_SUBDOMAIN, WILDCARD_RE, () => regexError(rule, pattern, "*.example.com"));
}

/** A subdomain of three labels at least, as webhooks are called. */
export function isFullyQualifiedName(text: string): string[] {
  const wrong = isDns1123Subdomain(text);
  if (wrong.length > 0) return [wrong.join(",")];
  return text.split(".").length < 3 ? ["should be a domain with at least three segments separated by dots"] : [];
}

/** As a subdomain, but labels may hold underscores, as DNS search paths do. */
export function isDns1123SubdomainWithUnderscore(text: string): string[] {
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
  return matches(text, MAX_SUBDOMAIN, SUBDOMAIN_UNDERSCORE_RE, () =>
    regexError(rule, SUBDOMAIN_UNDERSCORE, "example.com"),
  );
}

/** As a label, but beginning with a letter: names of Services, and versions and plurals of custom resources. */
export function isDns1035Label(text: string): string[] {
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return matches(text, MAX_LABEL, LABEL_1035_RE, () => regexError(rule, LABEL_1035, "my-name", "abc-123"));
}

/** `name` or `prefix/name`: label and annotation keys, finalizers, resource names, condition types. */
export function isQualifiedName(text: string): string[] {
  if (!text.includes("/")) return namePart(text);
  const parts = text.split("/");
  if (parts.length > 2) {
    const rule =
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    const hint = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    return [regexError(rule, QUALIFIED, "MyName", "my.name", "123-abc") + hint];
  }
  const [prefix = "", name = ""] = parts;
  return [...prefixPart(prefix), ...namePart(name)];
}

function prefixPart(prefix: string): string[] {
  if (prefix === "") return [`prefix part ${EMPTY}`];
  return isDns1123Subdomain(prefix).map((message) => `prefix part ${message}`);
}

function namePart(name: string): string[] {
  if (name.length <= MAX_LABEL && QUALIFIED_RE.test(name)) return [];
  const errors: string[] = [];
  if (name === "") errors.push(`name part ${EMPTY}`);
  else if (name.length > MAX_LABEL) errors.push(`name part ${maxLengthMessage(MAX_LABEL)}`);
  if (!QUALIFIED_RE.test(name)) {
    const rule =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    errors.push(`name part ${regexError(rule, QUALIFIED, "MyName", "my.name", "123-abc")}`);
  }
  return errors;
}

/** Empty, or at most 63 characters that begin and end with a letter or digit. */
export function isLabelValue(text: string): string[] {
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return matches(text, MAX_LABEL, LABEL_VALUE_RE, () => regexError(rule, LABEL_VALUE, "MyValue", "my_value", "12345"));
}

/** What a process may find in its environment; a shell can read fewer names. */
export function isEnvVarName(text: string): string[] {
  if (text === "") return [`environment variable name ${EMPTY}`];
  if (ENV_NAME_RE.test(text)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Keys of ConfigMaps and Secrets, which become file names. */
export function isConfigMapKey(text: string): string[] {
  const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
  const errors = matches(text, MAX_SUBDOMAIN, CONFIG_KEY_RE, () =>
    regexError(rule, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"),
  );
  return [...errors, ...escapesDirectory(text)];
}

/** The kubelet keeps files of its own under names that begin with two dots. */
function escapesDirectory(text: string): string[] {
  if (text === ".") return [`must not be '.'`];
  if (text === "..") return [`must not be '..'`];
  return text.startsWith("..") ? [`must not start with '..'`] : [];
}

/** Names of container ports (RFC 6335). */
export function isPortName(text: string): string[] {
  const errors = maxLength(text, 15);
  if (!PORT_CHARACTERS_RE.test(text)) {
    errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!LETTER_RE.test(text)) errors.push("must contain at least one letter (a-z)");
  if (text.includes("--")) errors.push("must not contain consecutive hyphens");
  if (text.startsWith("-") || text.endsWith("-")) errors.push("must not begin or end with a hyphen");
  return errors;
}

/** IPv4 or IPv6; what counts as one is for `parseIp` to say. */
export function isValidIp(text: string): string[] {
  return parseIp(text) ? [] : ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
}

/** Zero asks an operating system for any port, which is no use to those who must know it. */
export function isPortNumber(port: number): string[] {
  return isInRange(port, 1, 65535);
}

/** Both bounds are allowed. */
export function isInRange(value: number, min: number, max: number): string[] {
  return value >= min && value <= max ? [] : [`must be between ${min} and ${max}, inclusive`];
}

/** User and group ids: 0 to 2^32-1. */
export function isUserId(id: number): string[] {
  return isInRange(id, 0, 0xffffffff);
}

/** A header that a probe sends. */
export function isHttpHeaderName(text: string): string[] {
  if (HTTP_HEADER_RE.test(text)) return [];
  const rule = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [regexError(rule, HTTP_HEADER, "X-Header-Name")];
}

/** Whole percents; whether more than a hundred make sense depends on the field. */
export function isPercent(text: string): string[] {
  if (PERCENT_RE.test(text)) return [];
  return [
    regexError("a valid percent string must be a numeric string followed by an ending '%'", PERCENT, "1%", "93%"),
  ];
}

/** Names that become one segment of a URL and nothing more, such as those of RBAC objects. */
export function isPathSegmentName(text: string): string[] {
  if (text === "." || text === "..") return [`may not be '${text}'`];
  return ["/", "%"].filter((bad) => text.includes(bad)).map((bad) => `may not contain '${bad}'`);
}

/** `example.com/some-name`, as controllers call themselves. */
export function isDomainPrefixedPath(text: string): string[] {
  if (text === "") return ["must be non-empty"];
  const slash = text.indexOf("/");
  if (slash < 0 || text.length === slash + 1) return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  const host = text.slice(0, slash);
  if (host === "") return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  const path = text.slice(slash + 1);
  const wrong = isDns1123Subdomain(host);
  if (wrong.length > 0) return wrong;
  if (URL_PATH_RE.test(path)) return [];
  const rule = "Invalid path";
  return [regexError(rule, URL_PATH, "my/path")];
}

const EMPTY = "must be non-empty";

function matches(text: string, max: number, pattern: RegExp, message: () => string): string[] {
  if (text.length <= max && pattern.test(text)) return [...OK];
  const errors = maxLength(text, max);
  if (!pattern.test(text)) errors.push(message());
  return errors;
}

function maxLength(text: string, max: number): string[] {
  return text.length > max ? [maxLengthMessage(max)] : [];
}

const maxLengthMessage = (max: number) => `must be no more than ${max} bytes`;

function regexError(rule: string, pattern: string, ...examples: readonly string[]): string {
  const shown = examples.map((example) => `'${example}', `).join(" or ");
  return `${rule} (e.g. ${shown}regex used for validation is '${pattern}')`;
}
