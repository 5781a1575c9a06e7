// Secret: base64 values, typed by a promise of which keys are there; write-only stringData folds into data.
import type { Secret } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { scanJson } from "../json-syntax.ts";
import { secrets } from "../resource-ref.ts";
import { type FieldPath, IMMUTABLE, invalidValue, required, root, tooLong } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { count, decodedBytes, immutableErrors, MAX_DATA_BYTES, validateKeys } from "./config-map.ts";
import { defineKind } from "./define-kind.ts";

/** Values are base64 in JSON, which lets them be binary and hides nothing. */
export const secretKind = defineKind<Secret>({
  ref: secrets,
  applyDefaults(secret) {
    secret.type ||= "Opaque";
    // `stringData` wins over `data` and is never shown.
    if (!secret.stringData) return;
    secret.data ??= {};
    for (const [key, text] of Object.entries(secret.stringData)) {
      secret.data[key] = Buffer.from(text).toString("base64");
    }
    delete secret.stringData;
  },
  validate(secret) {
    const path = root("data");
    const errors = validateKeys(secret.data, path);
    if (decodedBytes(secret.data) > MAX_DATA_BYTES) errors.push(tooLong(path, MAX_DATA_BYTES));
    const { type = "" } = secret;
    // A type of the user's own may be called as what every object has.
    const rule = Object.hasOwn(TYPE_RULES, type) ? TYPE_RULES[type] : undefined;
    return [...errors, ...(rule?.(secret, path) ?? [])];
  },
  changesFirst: true,
  validateUpdate(next, previous) {
    const typeChanged = next.type !== previous.type;
    return [
      ...(typeChanged ? [invalidValue(root("type"), next.type ?? "", IMMUTABLE)] : []),
      ...immutableErrors(next, previous, ["data"]),
    ];
  },
  // For those who care for one type alone, such as the tokens of service accounts.
  selectableFields: { type: (s) => s.type ?? "" },
  columns: [
    nameColumn,
    column("Type", ["Secret", "type"], (s) => s.type ?? ""),
    column("Data", ["Secret", "data"], (s) => count(s.data)),
    ageColumn,
  ],
});

/** Upstream's path, with the place of the field left unfilled. */
const TYPED_DATA = root("data[%s]");

const SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name";

// Other types, a user's own too, may hold anything.
const TYPE_RULES: Readonly<Record<string, (secret: Secret, path: FieldPath) => FieldError[]>> = {
  "kubernetes.io/service-account-token": ({ metadata }) =>
    metadata.annotations?.[SERVICE_ACCOUNT_NAME]
      ? []
      : [required(root("metadata").child("annotations").key(SERVICE_ACCOUNT_NAME))],
  "kubernetes.io/dockercfg": (secret, path) => validateJsonKey(secret, ".dockercfg", path),
  "kubernetes.io/dockerconfigjson": (secret, path) => validateJsonKey(secret, ".dockerconfigjson", path),
  "kubernetes.io/basic-auth": ({ data }) =>
    data?.username !== undefined || data?.password !== undefined
      ? []
      : [required(TYPED_DATA.key("username")), required(TYPED_DATA.key("password"))],
  "kubernetes.io/ssh-auth": ({ data }) =>
    data?.["ssh-privatekey"] ? [] : [required(TYPED_DATA.key("ssh-privatekey"))],
  // Whether the two belong together is not checked.
  "kubernetes.io/tls": ({ data }, path) =>
    ["tls.crt", "tls.key"].filter((key) => data?.[key] === undefined).map((key) => required(path.key(key))),
};

/** A login for image registries; the error must not quote what it finds. */
function validateJsonKey({ data }: Secret, key: string, path: FieldPath): FieldError[] {
  const encoded = data?.[key];
  if (encoded === undefined) return [required(path.key(key))];
  const text = Buffer.from(encoded, "base64").toString();
  const wrong = scanJson(text).syntaxError ?? notAnObject(text);
  return wrong ? [invalidValue(path.key(key), "<secret contents redacted>", wrong)] : [];
}

/** `null` and objects pass; Go names what else it finds. */
function notAnObject(text: string): string | undefined {
  const value: unknown = JSON.parse(text);
  if (value === null || (typeof value === "object" && !Array.isArray(value))) return undefined;
  const found = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return `json: cannot unmarshal ${found} into Go value of type map[string]interface {}`;
}
