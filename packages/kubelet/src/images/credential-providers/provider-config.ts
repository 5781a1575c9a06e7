// Reads and judges --image-credential-provider-config, in upstream's words.
import { createHash } from "node:crypto";
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { type FieldError, fieldErrorBody } from "@skiff/api/errors.ts";
import { parseDuration } from "@skiff/component-base/flags.ts";
import { validateProvider, validateProviders } from "./validate-provider.ts";

/** What a plug-in is told of the pod's account besides the image. */
export interface TokenAttributes {
  readonly serviceAccountTokenAudience: string;
  /** Whether logins hold for every pod of the account, or for the token that they were given for. */
  readonly cacheType: "ServiceAccount" | "Token";
  /** Whether pods without an account, which static ones are, are none of the plug-in's. */
  readonly requireServiceAccount: boolean;
  readonly requiredServiceAccountAnnotationKeys: readonly string[];
  readonly optionalServiceAccountAnnotationKeys: readonly string[];
}

/** One plug-in. `name` is also the file name of its program in the folder of plug-ins. */
export interface ProviderConfig {
  readonly name: string;
  readonly apiVersion: string;
  /** Globs of registries (`*.example.com:5000/team`). */
  readonly matchImages: readonly string[];
  /** For answers that do not say how long they hold; 0 for not at all. */
  readonly defaultCacheMs: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly tokenAttributes?: TokenAttributes | undefined;
}

export interface ProviderConfigs {
  readonly providers: readonly ProviderConfig[];
  /** Of the files as they are, for comparing nodes: `sha256:…`. */
  readonly hash: string;
}

type Fields = Readonly<Record<string, unknown>>;

const CONFIG_VERSION = "kubelet.config.k8s.io/v1";
const OLDER_CONFIG_VERSIONS = ["kubelet.config.k8s.io/v1beta1", "kubelet.config.k8s.io/v1alpha1"];
const KNOWN_FIELDS = ["name", "apiVersion", "matchImages", "defaultCacheDuration", "args", "env"];

/** `path` is a file, or a folder whose files are read in the order of their names. Throws an Error that says what is wrong. */
export async function readProviderConfigs(path: string, binDir: string): Promise<ProviderConfigs> {
  const found: Fields[] = [];
  const hash = createHash("sha256");
  for (const file of filesOf(path)) {
    const text = readFileSync(file);
    // With its length, so that a line that moves from one file to the next is a change.
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(text.length));
    hash.update(length).update(text);
    try {
      found.push(...(await providersIn(text.toString("utf8"))));
    } catch (error) {
      throw new Error(`error decoding config ${JSON.stringify(file)}: ${(error as Error).message}`, { cause: error });
    }
  }
  const names = found.map(({ name }) => String(name));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) {
    throw new Error(`duplicate provider name ${JSON.stringify(twice)} found in configuration file(s)`);
  }
  refuse([...validateProviders(found), ...found.flatMap(validateProvider)]);
  for (const name of names) requireExecutable(join(binDir, name));
  return { providers: found.map(decode), hash: `sha256:${hash.digest("hex")}` };
}

function refuse(errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const texts = [...new Set(errors.map((error) => `${error.field}: ${fieldErrorBody(error)}`))];
  const all = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  throw new Error(`failed to validate credential provider config: ${all}`);
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true });
  const files = entries.filter((one) => !one.isDirectory() && [".json", ".yaml", ".yml"].includes(extname(one.name)));
  if (files.length === 0) throw new Error(`no configuration files found in directory ${JSON.stringify(path)}`);
  return files
    .map(({ name }) => name)
    .sort()
    .map((name) => join(path, name));
}

async function providersIn(text: string): Promise<Fields[]> {
  const value: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  const { apiVersion, kind, providers, ...others } = (value ?? {}) as Fields;
  const isOlder = OLDER_CONFIG_VERSIONS.includes(String(apiVersion));
  if (kind !== "CredentialProviderConfig" || (apiVersion !== CONFIG_VERSION && !isOlder)) {
    throw new Error(
      `no kind ${JSON.stringify(kind ?? "")} is registered for version ${JSON.stringify(apiVersion ?? "")}`,
    );
  }
  const known = isOlder ? KNOWN_FIELDS : [...KNOWN_FIELDS, "tokenAttributes"];
  const list: Fields[] = Array.isArray(providers) ? providers : [];
  const inner = list.flatMap((provider, at) => unknownFields(provider, known).map((key) => `providers[${at}].${key}`));
  const unknown = [...Object.keys(others), ...inner].map((field) => `unknown field ${JSON.stringify(field)}`);
  if (unknown.length > 0) throw new Error(`strict decoding error: ${unknown.join(", ")}`);
  return list;
}

const TOKEN_FIELDS = [
  "serviceAccountTokenAudience",
  "cacheType",
  "requireServiceAccount",
  "requiredServiceAccountAnnotationKeys",
  "optionalServiceAccountAnnotationKeys",
];

function unknownFields(provider: Fields, known: readonly string[]): string[] {
  const own = Object.keys(provider).filter((field) => !known.includes(field));
  const attributes = Object.keys((provider.tokenAttributes ?? {}) as Fields);
  const inner = known.includes("tokenAttributes") ? attributes.filter((field) => !TOKEN_FIELDS.includes(field)) : [];
  return [...own, ...inner.map((field) => `tokenAttributes.${field}`)];
}

function decode(provider: Fields): ProviderConfig {
  const env = (provider.env ?? []) as readonly { readonly name: string; readonly value: string }[];
  const attributes = provider.tokenAttributes as Partial<TokenAttributes> | null | undefined;
  return {
    name: String(provider.name),
    apiVersion: String(provider.apiVersion),
    matchImages: provider.matchImages as readonly string[],
    defaultCacheMs: parseDuration(String(provider.defaultCacheDuration)),
    args: (provider.args ?? []) as readonly string[],
    env: Object.fromEntries(env.map(({ name, value }) => [name, value])),
    tokenAttributes: attributes ? decodeAttributes(attributes) : undefined,
  };
}

/** They were judged before, so what must be there is. */
function decodeAttributes(attributes: Partial<TokenAttributes>): TokenAttributes {
  return {
    serviceAccountTokenAudience: attributes.serviceAccountTokenAudience ?? "",
    cacheType: attributes.cacheType ?? "Token",
    requireServiceAccount: attributes.requireServiceAccount ?? true,
    requiredServiceAccountAnnotationKeys: attributes.requiredServiceAccountAnnotationKeys ?? [],
    optionalServiceAccountAnnotationKeys: attributes.optionalServiceAccountAnnotationKeys ?? [],
  };
}

/** At the start rather than at the first pull, when nobody watches. */
function requireExecutable(path: string): void {
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new Error(`plugin binary executable ${path} did not exist`, { cause: error });
  }
}
