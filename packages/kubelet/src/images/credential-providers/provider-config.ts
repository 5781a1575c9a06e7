// Reads and judges --image-credential-provider-config, in upstream's words.
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { parseDuration } from "@skiff/component-base/flags.ts";

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
}

type Fields = Readonly<Record<string, unknown>>;

const CONFIG_VERSIONS = ["kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v1beta1", "kubelet.config.k8s.io/v1alpha1"];
/** Of the messages to and from plug-ins. */
const PROTOCOL_VERSIONS = ["credentialprovider.kubelet.k8s.io/v1", "credentialprovider.kubelet.k8s.io/v1beta1"];
const KNOWN_FIELDS = ["name", "apiVersion", "matchImages", "defaultCacheDuration", "args", "env"];

/** `path` is a file, or a folder whose files are read in the order of their names. Throws an Error that says what is wrong. */
export async function readProviderConfigs(path: string, binDir: string): Promise<ProviderConfig[]> {
  const found: Fields[] = [];
  for (const file of filesOf(path)) {
    try {
      found.push(...(await providersIn(readFileSync(file, "utf8"))));
    } catch (error) {
      throw new Error(`error decoding config ${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  const problems = found.flatMap((provider, index) => judge(provider, `providers[${index}]`));
  const names = found.map(({ name }) => String(name));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) problems.push(`providers: Duplicate value: ${JSON.stringify(twice)}`);
  if (found.length === 0) problems.push("providers: Required value: at least 1 item in plugins is required");
  if (problems.length > 0) throw new Error(`failed to validate credential provider config: ${problems.join(", ")}`);
  for (const name of names) requireExecutable(join(binDir, name));
  return found.map(decode);
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => [".json", ".yaml", ".yml"].includes(extname(name)));
  if (names.length === 0) throw new Error(`no configuration files found in ${path}`);
  return names.sort().map((name) => join(path, name));
}

async function providersIn(text: string): Promise<Fields[]> {
  const value: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  const { apiVersion, kind, providers, ...others } = (value ?? {}) as Fields;
  if (kind !== "CredentialProviderConfig" || !CONFIG_VERSIONS.includes(String(apiVersion))) {
    throw new Error(
      `no kind ${JSON.stringify(kind ?? "")} is registered for version ${JSON.stringify(apiVersion ?? "")}`,
    );
  }
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw new Error(`unknown field ${JSON.stringify(unknown)}`);
  return Array.isArray(providers) ? providers : [];
}

function judge(provider: Fields, at: string): string[] {
  const { name, apiVersion, matchImages, defaultCacheDuration } = provider;
  const problems = Object.keys(provider)
    .filter((field) => !KNOWN_FIELDS.includes(field))
    .map((field) => `${at}.${field}: Forbidden: ${field} is not supported by this kubelet`);
  const add = (field: string, problem: string) => problems.push(`${at}.${field}: ${problem}`);
  if (!name) add("name", "Required value: name is required");
  else if (/[/ ]/.test(String(name)) || name === "." || name === "..") {
    add("name", `Invalid value: ${JSON.stringify(name)}: name cannot be a path or contain spaces`);
  }
  if (!apiVersion) add("apiVersion", "Required value: apiVersion is required");
  else if (!PROTOCOL_VERSIONS.includes(String(apiVersion))) {
    add(
      "apiVersion",
      `Unsupported value: ${JSON.stringify(apiVersion)}: supported values: ${PROTOCOL_VERSIONS.join(", ")}`,
    );
  }
  const images = Array.isArray(matchImages) ? matchImages : [];
  if (images.length === 0) add("matchImages", "Required value: at least 1 item in matchImages is required");
  if (!defaultCacheDuration) add("defaultCacheDuration", "Required value: defaultCacheDuration is required");
  else if (String(defaultCacheDuration).startsWith("-")) {
    const value = JSON.stringify(defaultCacheDuration);
    add("defaultCacheDuration", `Invalid value: ${value}: defaultCacheDuration must be greater than or equal to 0`);
  }
  return problems;
}

function decode(provider: Fields): ProviderConfig {
  const env = (provider.env ?? []) as readonly { readonly name: string; readonly value: string }[];
  return {
    name: String(provider.name),
    apiVersion: String(provider.apiVersion),
    matchImages: provider.matchImages as readonly string[],
    defaultCacheMs: parseDuration(String(provider.defaultCacheDuration)),
    args: (provider.args ?? []) as readonly string[],
    env: Object.fromEntries(env.map(({ name, value }) => [name, value])),
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
