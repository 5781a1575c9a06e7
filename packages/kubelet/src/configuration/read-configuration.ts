// Reads the --config file and its drop-in folder into settings, as strictly as upstream.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { Field } from "./field-types.ts";
import type { FieldName, Settings } from "./fields.ts";
import { DEFAULT_EVICTION_HARD, defaultSettings, FIELDS, ZERO_IS_DEFAULT } from "./fields.ts";

type Json = Record<string, unknown>;

/** The only version there is; another is refused rather than guessed at. */
const API_VERSION = "kubelet.config.k8s.io/v1beta1";
const KIND = "KubeletConfiguration";

/** Defaults, then the file, then each `*.conf` of the folder in the order of names. Throws an Error that names the file. */
export async function readConfiguration(file: string, dropInDir: string): Promise<Settings> {
  let merged: Json = {};
  if (file) merged = await loadFile(file, "kubelet config file");
  for (const path of dropIns(dropInDir)) merged = mergeInto(merged, await loadFile(path, "kubelet dropin file"));
  const given = decodeSettings(merged);
  // Whoever wants to hear of the node at certain times gets them for what has not changed too.
  const { nodeStatusUpdateFrequency: often, nodeStatusReportFrequency = often } = given;
  const reports = nodeStatusReportFrequency === undefined ? {} : { nodeStatusReportFrequency };
  const { maxParallelImagePulls: pulls = 1, serializeImagePulls = pulls < 2 } = given;
  return { ...defaultSettings(), ...given, ...reports, serializeImagePulls };
}

function dropIns(dir: string): string[] {
  if (!dir) return [];
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" });
  // Only these, so that an editor's backup is not taken for configuration.
  return names
    .filter((name) => extname(name) === ".conf")
    .sort()
    .map((name) => join(dir, name));
}

async function loadFile(path: string, what: string): Promise<Json> {
  try {
    const value = await parseText(readFileSync(path, "utf8"));
    const { apiVersion, kind, ...fields } = value;
    if (apiVersion !== API_VERSION || kind !== KIND) {
      throw new Error(
        `no kind ${JSON.stringify(kind ?? "")} is registered for version ${JSON.stringify(apiVersion ?? "")}`,
      );
    }
    // Judged file by file, so that an error names the right one.
    decodeSettings(fields);
    return fields;
  } catch (error) {
    throw new Error(`failed to load ${what}, path: ${path}, error: ${(error as Error).message}`, { cause: error });
  }
}

async function parseText(text: string): Promise<Json> {
  // Loaded on first use: most kubelets are configured by flags, and the parser is large.
  const value: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("an object is wanted");
  return value as Json;
}

/** RFC 7386: objects merge, `null` removes, everything else replaces. */
function mergeInto(target: Json, patch: Json): Json {
  const result: Json = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    const before = result[key];
    if (value === null) delete result[key];
    else if (isObject(value) && isObject(before)) result[key] = mergeInto(before, value);
    else result[key] = value;
  }
  return result;
}

/** The settings that `fields` sets. An unknown field is an error. */
function decodeSettings(fields: Json): Partial<Settings> {
  const found: [FieldName, unknown][] = [];
  const unknown: string[] = [];
  collect(fields, "", found, unknown);
  if (unknown.length > 0) {
    const list = unknown.map((name) => `unknown field ${JSON.stringify(name)}`).join(", ");
    throw new Error(`strict decoding error: ${list}`);
  }
  const settings: Record<string, unknown> = {};
  for (const [name, value] of found) {
    if (ZERO_IS_DEFAULT.has(name) && isZero(value)) continue;
    try {
      settings[name] = (FIELDS[name] as Field<unknown>).decode(value);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
  return settings as Partial<Settings>;
}

function isZero(value: unknown): boolean {
  return value === 0 || value === "" || (typeof value === "string" && /^0[0hmsuµn.]*$/.test(value));
}

function collect(fields: Json, prefix: string, found: [FieldName, unknown][], unknown: string[]): void {
  for (const [key, value] of Object.entries(fields)) {
    const name = prefix + key;
    // As absent, which is how the API machinery reads it.
    if (value === null) continue;
    // A field that is an object may itself be the value, as a map is, or only hold fields.
    if (Object.hasOwn(FIELDS, name)) found.push([name as FieldName, value]);
    else if (isObject(value) && hasFieldsBelow(name)) collect(value, `${name}.`, found, unknown);
    else unknown.push(name);
  }
}

/** Whether a name is only the first part of fields, such as `authentication`. */
function hasFieldsBelow(name: string): boolean {
  return Object.keys(FIELDS).some((field) => field.startsWith(`${name}.`));
}

/** A YAML list is an object to JavaScript, but not here. */
function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The whole configuration as upstream's object. */
export function encodeSettings(settings: Settings): Json {
  const result: Json = {};
  for (const [name, field] of Object.entries(FIELDS) as [FieldName, Field<unknown>][]) {
    const path = name.split(".");
    const last = path.pop() ?? name;
    let target = result;
    for (const step of path) {
      target[step] ??= {};
      target = target[step] as Json;
    }
    const value = field.encode(settings[name]);
    if (value !== undefined) target[last] = value;
  }
  return { ...result, evictionHard: effectiveEvictionHard(settings) };
}

/** Upstream's default thresholds stand only while nobody configures one, unless they are asked to fill the gaps. */
export function effectiveEvictionHard(settings: Settings): Readonly<Record<string, string>> {
  const { evictionHard, mergeDefaultEvictionSettings } = settings;
  if (Object.keys(evictionHard).length === 0) return DEFAULT_EVICTION_HARD;
  return mergeDefaultEvictionSettings ? { ...DEFAULT_EVICTION_HARD, ...evictionHard } : evictionHard;
}
