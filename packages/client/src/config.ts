// Where the apiserver is and as whom to speak to it, read from a kubeconfig file.
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** All that a connection needs. `ca`, `cert` and `key` are PEM texts; without `ca` the machine's own CAs are trusted. */
export interface ClientConfig {
  /** `https://host:port`, with a path prefix where a proxy wants one. */
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** Read again when it changes, as tokens in pods do. Wins over `token`. */
  readonly tokenFile?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** The name that the server's certificate must bear, where that is not the host of `server`. */
  readonly tlsServerName?: string;
}

/**
 * Reads `context`, or the current context, of the kubeconfig at `path` (JSON or YAML). Throws an Error that says what is missing
 * or which way of proving who one is Skiff does not know: to go on as anonymous would only hide the mistake.
 */
export async function loadKubeconfig(path: string, context?: string): Promise<ClientConfig> {
  try {
    const document = await parseDocument(await readFile(path, "utf8"));
    return await configOf(document, context, dirname(resolve(path)));
  } catch (error) {
    throw new Error(`kubeconfig ${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

type Fields = Readonly<Record<string, unknown>>;

async function parseDocument(text: string): Promise<Fields> {
  // YAML is a superset of JSON, but its parser is slow to load and JSON is what our own tools write.
  const value: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  if (!isFields(value)) throw new Error("is not a mapping");
  return value;
}

async function configOf(document: Fields, wanted: string | undefined, folder: string): Promise<ClientConfig> {
  const contextName = wanted ?? text(document, "current-context");
  if (!contextName) throw new Error("no context is chosen (current-context is empty)");
  const context = entry(document, "contexts", "context", contextName);
  const cluster = entry(document, "clusters", "cluster", text(context, "cluster") ?? "");
  const userName = text(context, "user");
  const user = userName ? entry(document, "users", "user", userName) : {};
  const server = text(cluster, "server");
  if (!server) throw new Error(`cluster of context "${contextName}" has no server`);
  return Object.freeze({ server, ...(await trust(cluster, folder)), ...(await identity(user, folder)) });
}

/** How the server proves who it is. */
async function trust(cluster: Fields, folder: string): Promise<Partial<ClientConfig>> {
  if (text(cluster, "proxy-url")) throw new Error("proxy-url is not supported");
  const ca = await dataOrFile(cluster, "certificate-authority", folder);
  const serverName = text(cluster, "tls-server-name");
  return {
    ...(ca ? { ca } : {}),
    ...(serverName ? { tlsServerName: serverName } : {}),
    ...(cluster["insecure-skip-tls-verify"] === true ? { insecureSkipTlsVerify: true } : {}),
  };
}

/** How we prove who we are. */
async function identity(user: Fields, folder: string): Promise<Partial<ClientConfig>> {
  for (const unsupported of ["exec", "auth-provider", "username", "as"]) {
    if (user[unsupported]) throw new Error(`user credentials by "${unsupported}" are not supported`);
  }
  const cert = await dataOrFile(user, "client-certificate", folder);
  const key = await dataOrFile(user, "client-key", folder);
  if (Boolean(cert) !== Boolean(key)) throw new Error("client-certificate and client-key must come together");
  const token = text(user, "token");
  const tokenFile = text(user, "tokenFile");
  return {
    ...(cert && key ? { cert, key } : {}),
    ...(token ? { token } : {}),
    ...(tokenFile ? { tokenFile: resolve(folder, tokenFile) } : {}),
  };
}

/** `NAME-data` (base64) wins over the file `NAME`, as upstream has it; file paths are relative to the kubeconfig. */
async function dataOrFile(fields: Fields, name: string, folder: string): Promise<string | undefined> {
  const data = text(fields, `${name}-data`);
  if (data) return Buffer.from(data, "base64").toString("utf8");
  const path = text(fields, name);
  return path ? readFile(resolve(folder, path), "utf8") : undefined;
}

/** The value of one of the named lists (`clusters: [{name, cluster}]`). The first of a name counts, as upstream has it. */
function entry(document: Fields, list: string, field: string, name: string): Fields {
  const entries: readonly unknown[] = Array.isArray(document[list]) ? document[list] : [];
  for (const candidate of entries) {
    if (!isFields(candidate) || candidate.name !== name) continue;
    const value = candidate[field];
    if (isFields(value)) return value;
  }
  throw new Error(`${field} "${name}" does not exist`);
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new Error(`${name} is not a string`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
