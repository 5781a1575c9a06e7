// Request bodies as objects: parsed, checked against the kind's model, unknown fields reported as asked for.

import { decode, parseJson, strictProblems } from "@skiff/api/decode.ts";
import { badRequest } from "@skiff/api/errors.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import type { Exchange } from "../http/exchange.ts";
import { bodyMedia, parseBody } from "../http/read-body.ts";
import type { FieldValidation } from "./write-options.ts";

/** What a body must be. */
export interface BodyType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly model: string;
}

export interface ParsedBody {
  readonly value: unknown;
  readonly duplicateFields: readonly string[];
}

/** Parses the body; duplicate keys are looked for only when somebody wants to know. */
export async function parseObjectBody(exchange: Exchange, validation: FieldValidation): Promise<ParsedBody> {
  const media = bodyMedia(exchange.raw.headers["content-type"]);
  const bytes = await exchange.readBytes();
  if (media === "json" && validation !== "Ignore") return parseJson(bytes.toString("utf8"));
  return { value: parseBody(bytes, media), duplicateFields: [] };
}

/** Throws 400 for a body of another type, or with unknown fields in strict mode. */
export function decodeObject(
  type: BodyType,
  body: ParsedBody,
  validation: FieldValidation,
  warn: (text: string) => void,
): KubeObject {
  checkType(type, body.value);
  const strict = validation === "Strict";
  const { object, unknownFields } = decode<KubeObject>(type.model, body.value, {
    strict,
    duplicateFields: body.duplicateFields,
  });
  if (validation === "Warn") for (const text of strictProblems(body.duplicateFields, unknownFields)) warn(text);
  // Every writer may leave the metadata out; its name is checked later.
  object.metadata ??= {} as KubeObject["metadata"];
  return object;
}

/** The body's apiVersion and kind must be those of the URL, or absent. */
function checkType(type: BodyType, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonType(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  const wanted = groupVersion(type.group, type.version);
  if (typeof kind === "string" && kind !== "" && kind !== type.kind)
    throw mismatch(type, String(apiVersion ?? wanted), kind);
  if (typeof apiVersion === "string" && apiVersion !== "" && apiVersion !== wanted) {
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`);
  }
}

function mismatch(type: BodyType, apiVersion: string, kind: string): Error {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const found = `${version}.${kind}`;
  const gvk = group ? `${group}/${version}, Kind=${kind}` : `/${version}, Kind=${kind}`;
  const wanted = groupVersion(type.group, type.version);
  return badRequest(
    `${found} in version "${version}" cannot be handled as a ${type.kind}: the object provided is unrecognized (must be of type ${type.kind}): ${gvk} is not ${wanted}, Kind=${type.kind}`,
  );
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value === "boolean" ? "bool" : typeof value;
}
