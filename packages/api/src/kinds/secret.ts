// Secret: base64 values, typed by a promise of which keys are there; write-only stringData folds into data.
import type { Secret } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { secrets } from "../resource-ref.ts";
import { type FieldPath, IMMUTABLE, invalidValue, required, root, tooLong } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { count, decodedBytes, immutableErrors, MAX_DATA_BYTES, validateKeys } from "./config-map.ts";
import { defineKind } from "./define-kind.ts";

export const secretKind = defineKind<Secret>({
  ref: secrets,
  applyDefaults(secret) {
    secret.type ||= "Opaque";
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
    return [...errors, ...(TYPE_RULES[secret.type ?? ""]?.(secret, path) ?? [])];
  },
  validateUpdate(next, previous) {
    const typeChanged = next.type !== previous.type;
    return [
      ...(typeChanged ? [invalidValue(root("type"), next.type ?? "", IMMUTABLE)] : []),
      ...immutableErrors(next, previous, ["data"]),
    ];
  },
  selectableFields: { type: (s) => s.type ?? "" },
  columns: [
    nameColumn,
    column("Type", ["Secret", "type"], (s) => s.type ?? ""),
    column("Data", ["Secret", "data"], (s) => count(s.data)),
    ageColumn,
  ],
});

const SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name";

const TYPE_RULES: Readonly<Record<string, (secret: Secret, path: FieldPath) => FieldError[]>> = {
  "kubernetes.io/service-account-token": ({ metadata }) =>
    metadata.annotations?.[SERVICE_ACCOUNT_NAME]
      ? []
      : [required(root("metadata").child("annotations").key(SERVICE_ACCOUNT_NAME))],
  "kubernetes.io/dockercfg": (secret, path) => validateJsonKey(secret, ".dockercfg", path),
  "kubernetes.io/dockerconfigjson": (secret, path) => validateJsonKey(secret, ".dockerconfigjson", path),
  "kubernetes.io/basic-auth": ({ data }, path) =>
    data?.username !== undefined || data?.password !== undefined
      ? []
      : [required(path.key("username")), required(path.key("password"))],
  "kubernetes.io/ssh-auth": ({ data }, path) =>
    data?.["ssh-privatekey"] ? [] : [required(path.key("ssh-privatekey"))],
  "kubernetes.io/tls": ({ data }, path) =>
    ["tls.crt", "tls.key"].filter((key) => data?.[key] === undefined).map((key) => required(path.key(key))),
};

function validateJsonKey({ data }: Secret, key: string, path: FieldPath): FieldError[] {
  const encoded = data?.[key];
  if (encoded === undefined) return [required(path.key(key))];
  try {
    JSON.parse(Buffer.from(encoded, "base64").toString());
    return [];
  } catch {
    // Parsers quote what they choke on, so only the fact is told.
    return [invalidValue(path.key(key), "<secret contents redacted>", "invalid JSON")];
  }
}
