// Request bodies as objects: parsed, checked against the kind's model, unknown fields reported as asked for.

import { DecodeError, decode, parseJson, strictProblems } from "@skiff/api/decode.ts";
import { ApiError, badRequest } from "@skiff/api/errors.ts";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import type { Exchange } from "../http/exchange.ts";
import { type BodyMedia, bodyMedia, parseBody } from "../http/read-body.ts";
import { duplicateKeys, parseYaml } from "../http/yaml.ts";
import type { FieldValidation } from "./write-options.ts";

/** What a body must be. */
export interface BodyType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly model: string;
}

/** A body as a JSON value, and the paths of keys that it says twice. */
export interface ParsedBody {
  readonly value: unknown;
  readonly duplicateFields: readonly string[];
  /** Of a YAML body, whose keys are told by their lines. */
  readonly duplicateKeys?: readonly string[];
}

/** Parses the body; duplicate keys are looked for only when somebody wants to know. */
export async function parseObjectBody(
  exchange: Exchange,
  validation: FieldValidation,
  kind: string,
): Promise<ParsedBody> {
  const media = bodyMedia(exchange.raw.headers["content-type"]);
  const bytes = await exchange.readBytes();
  await exchange.pause();
  try {
    const body = parseWith(validation, bytes, media);
    checkIsObject(body.value);
    return body;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 400) throw error;
    const why = `${error.message} (${summaryOf(bytes)})`;
    throw badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why}`);
  }
}

function parseWith(validation: FieldValidation, bytes: Buffer, media: BodyMedia): ParsedBody {
  if (validation === "Ignore" || media === "protobuf") return { value: parseBody(bytes, media), duplicateFields: [] };
  const text = bytes.toString("utf8");
  if (media === "json") return parseJson(text);
  return { value: parseYaml(text), duplicateFields: [], duplicateKeys: duplicateKeys(text) };
}

const SUMMARY_BYTES = 30;

/** The start of a body that nobody understood: as it is where it looks like JSON, else in hexadecimal digits. */
function summaryOf(bytes: Buffer): string {
  if (bytes.length === 0) return "<empty>";
  const text = bytes.subarray(0, SUMMARY_BYTES).toString(bytes[0] === 0x7b ? "utf8" : "hex");
  return bytes.length > SUMMARY_BYTES ? `${text} ...` : text;
}

/** Null passes: it is an object of which nothing was said. */
function checkIsObject(value: unknown): void {
  if (value === null || (typeof value === "object" && !Array.isArray(value))) return;
  throw badRequest(
    `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonType(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
  );
}

/** Throws 400 for a body of another type, or with unknown fields in strict mode. */
export function decodeObject(
  type: BodyType,
  body: ParsedBody,
  validation: FieldValidation,
  warn: (text: string) => void,
): KubeObject {
  const value = body.value ?? {};
  checkType(type, value);
  const { duplicateFields, duplicateKeys: repeated = [] } = body;
  const problems = repeated.length > 0 ? [`yaml: unmarshal errors:\n  ${repeated.join("\n  ")}`] : [];
  const strict = validation === "Strict";
  const { object, unknownFields } = decode<KubeObject>(type.model, value, { strict, duplicateFields, problems });
  if (validation === "Warn") {
    for (const text of [...repeated, ...strictProblems(duplicateFields, unknownFields)]) warn(text);
  }
  // Every writer may leave the metadata out; its name is checked later.
  object.metadata ??= {} as KubeObject["metadata"];
  return object;
}

/** The body's apiVersion and kind must be those of the URL, or absent. */
function checkType(type: BodyType, value: unknown): void {
  checkIsObject(value);
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  const wanted = groupVersion(type.group, type.version);
  if (typeof kind === "string" && kind !== "" && kind !== type.kind)
    throw mismatch(type, String(apiVersion ?? wanted), kind);
  if (typeof apiVersion === "string" && apiVersion !== "" && apiVersion !== wanted) {
    if (!KNOWN_TYPES.has(`${apiVersion}/${type.kind}`)) throw mismatch(type, apiVersion, type.kind);
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`);
  }
}

/** Kinds that are known cannot be made into another; others are not registered. */
function mismatch(type: BodyType, apiVersion: string, kind: string): Error {
  const version = apiVersion.split("/").at(-1) ?? "";
  const known = KNOWN_TYPES.has(`${apiVersion}/${kind}`);
  const why = known
    ? `converting (${version}.${kind}) to (${type.group.split(".")[0] || "core"}.${type.kind}): unknown conversion`
    : `no kind "${kind}" is registered for version "${apiVersion}" in scheme "${SCHEME}"`;
  const message = `${kind} in version "${version}" cannot be handled as a ${type.kind}: ${why}`;
  return new ApiError(400, "BadRequest", message, undefined, { cause: new DecodeError(why) });
}

/** Where upstream's types are registered, as it tells clients. */
const SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";

const KNOWN_TYPES: ReadonlySet<string> = new Set(
  KINDS.flatMap(({ group, version, kind, otherVersions = [] }) => [
    ...[kind, `${kind}List`].map((name) => `${groupVersion(group, version)}/${name}`),
    ...otherVersions.map((other) => `${groupVersion(other.group ?? group, other.version)}/${kind}`),
  ]),
);

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value === "boolean" ? "bool" : typeof value;
}
