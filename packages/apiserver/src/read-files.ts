// The files that the flags name: certificates and keys as PEM texts.
import { readFile } from "node:fs/promises";
import type { ApiServerConfig } from "./config.ts";

/** Contents, not names. Read once at start: changed files count after a restart. */
export interface ServerFiles {
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly clientCa: string;
  readonly requestHeaderCa: string | undefined;
  readonly etcd: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
  readonly serviceAccountKeys: readonly string[];
  readonly signingKey: string;
  /** Undefined without tracing. */
  readonly tracing: string | undefined;
  readonly kubelet: { readonly cert: string; readonly key: string; readonly ca: string };
}

/** Throws with the flag's name when a file cannot be read. */
export async function readServerFiles(config: ApiServerConfig): Promise<ServerFiles> {
  const read = async (flag: string, path: string): Promise<string> => {
    if (!path) return "";
    return await readFile(path, "utf8").catch((cause: unknown) => {
      throw new Error(`cannot read --${flag} ${path}`, { cause });
    });
  };
  // The flag's own name is the key of the configuration.
  const one = (flag: keyof ApiServerConfig & string) => read(flag, String(config[flag]));
  const etcd = { ca: await one("etcd-cafile"), cert: await one("etcd-certfile"), key: await one("etcd-keyfile") };
  const kubelet = {
    cert: await one("kubelet-client-certificate"),
    key: await one("kubelet-client-key"),
    ca: await one("kubelet-certificate-authority"),
  };
  const keys = config["service-account-key-file"].map((path) => read("service-account-key-file", path));
  return {
    tlsCert: await one("tls-cert-file"),
    tlsKey: await one("tls-private-key-file"),
    clientCa: await one("client-ca-file"),
    requestHeaderCa: (await one("requestheader-client-ca-file")) || undefined,
    etcd: etcd.ca ? etcd : undefined,
    serviceAccountKeys: await Promise.all(keys),
    tracing: (await one("tracing-config-file")) || undefined,
    signingKey: await one("service-account-signing-key-file"),
    kubelet,
  };
}
