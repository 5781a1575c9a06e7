// The kubeconfig of an audit webhook: where to send batches, whom to trust there and how to prove who we are.
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseYaml } from "../http/yaml.ts";

/** The current context of the kubeconfig; certificates and keys are PEM texts. */
export interface WebhookTarget {
  readonly url: string;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  readonly insecure: boolean;
}

interface Named {
  readonly name?: string;
  readonly cluster?: Fields;
  readonly user?: Fields;
  readonly context?: Fields;
}
type Fields = Readonly<Record<string, unknown>>;

/** Throws an Error that names the file and what it lacks. */
export async function readWebhookTarget(path: string): Promise<WebhookTarget> {
  const config = (parseYaml(await readFile(path, "utf8")) ?? {}) as Fields;
  const find = (list: unknown, name: unknown): Named | undefined =>
    Array.isArray(list) ? (list as Named[]).find((entry) => entry?.name === name) : undefined;
  const context = find(config.contexts, config["current-context"])?.context;
  const cluster = find(config.clusters, context?.cluster)?.cluster;
  const user = find(config.users, context?.user)?.user ?? {};
  const url = cluster?.server;
  if (!cluster || typeof url !== "string" || !/^https?:\/\//.test(url)) {
    throw new Error(`${path}: the current context names no cluster with a server`);
  }
  const pem = (fields: Fields, name: string) => readPem(fields, name, dirname(path));
  return {
    url,
    ca: await pem(cluster, "certificate-authority"),
    cert: await pem(user, "client-certificate"),
    key: await pem(user, "client-key"),
    token: typeof user.token === "string" ? user.token : undefined,
    insecure: cluster["insecure-skip-tls-verify"] === true,
  };
}

/** A text from `NAME-data` in base64, or from the file that NAME names. */
async function readPem(fields: Fields, name: string, folder: string): Promise<string | undefined> {
  const data = fields[`${name}-data`];
  if (typeof data === "string") return Buffer.from(data, "base64").toString();
  const file = fields[name];
  return typeof file === "string" && file ? await readFile(resolve(folder, file), "utf8") : undefined;
}
