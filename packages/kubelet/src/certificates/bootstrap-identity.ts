// TLS bootstrap: a machine with a token, or another weak proof, becomes system:node:NAME, and gets a kubeconfig that says so.
import { createHash, createPublicKey } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackOff } from "@skiff/client/back-off.ts";
import { type ClientConfig, loadKubeconfig } from "@skiff/client/config.ts";
import { ConnectionError, RestClient } from "@skiff/client/rest-client.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { CertificateStore } from "./certificate-store.ts";
import { newKey } from "./key-pair.ts";
import { requestCertificate } from "./request-certificate.ts";

/** Files and the name that the node is to have. */
export interface BootstrapOptions {
  readonly bootstrapKubeconfig: string;
  /** Written once the certificate is there. */
  readonly kubeconfig: string;
  readonly certDir: string;
  readonly nodeName: string;
}

/** Of the client certificate's files: kubelet-client-current.pem and its predecessors. */
export const CLIENT_PREFIX = "kubelet-client";
/**
 * The controller manager approves requests for this signer by itself when a node, or a bootstrapping machine, asks
 * for a node's own name.
 */
export const CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet";
/** The signer permits these, and key encipherment, which only RSA keys need. */
export const CLIENT_USAGES = ["digital signature", "client auth"] as const;
/** Somebody may have to approve the request by hand. */
const WAIT_MS = 3_600_000;
const RETRY = { initialMs: 1000, ceilingMs: 30_000 };

/** The node's subject, of clients' certificates as of serving ones. */
export function nodeSubject(nodeName: string) {
  return { commonName: `system:node:${nodeName}`, organizations: ["system:nodes"] } as const;
}

/** Resolves with the certificate stored and the kubeconfig written; throws when the request is refused. */
export async function bootstrapIdentity(
  options: BootstrapOptions,
  { clock, log, signal }: Pick<ProgramContext, "clock" | "log" | "signal">,
): Promise<void> {
  const server = await loadKubeconfig(options.bootstrapKubeconfig);
  await using client = new RestClient(server, { userAgent: `kubelet/${GIT_VERSION}` }, { clock, log });
  const store = new CertificateStore(options.certDir, CLIENT_PREFIX);
  // The key outlives a crash, so that the next start finds its own request, approved perhaps by hand meanwhile.
  const keyPath = join(options.certDir, `${CLIENT_PREFIX}.key.tmp`);
  const key = await readOrMakeKey(keyPath);
  const wish = {
    signerName: CLIENT_SIGNER,
    usages: CLIENT_USAGES,
    subject: nodeSubject(options.nodeName),
    key,
    name: requestName(key, options.nodeName),
    timeoutMs: WAIT_MS,
  };
  log.info({ csr: wish.name }, "no valid client certificate, asking for one");
  const retry = new BackOff(RETRY);
  for (;;) {
    try {
      const cert = await requestCertificate(wish, { client, clock }, signal);
      await store.update(cert, key, clock.now());
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (!isConnectionError(error)) {
        // A request that was refused stays refused: the next one needs another key, and so another name.
        await rm(keyPath, { force: true });
        throw error;
      }
      log.warn({ err: error }, "the apiserver cannot be reached for a certificate, trying again");
      await clock.sleep(retry.next(), signal);
    }
  }
  await writeKubeconfig(options.kubeconfig, server, store.currentPath);
  await rm(keyPath, { force: true });
}

function isConnectionError(error: unknown): boolean {
  return error instanceof ConnectionError || (error as Error).cause instanceof ConnectionError;
}

async function readOrMakeKey(path: string): Promise<string> {
  try {
    const text = await readFile(path, "utf8");
    createPublicKey(text);
    return text;
  } catch {
    // None yet, or half written by a crash: nobody has asked with it.
    const key = newKey();
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await writeFile(path, key, { mode: 0o600 });
    return key;
  }
}

/** The same for the same key and node, whoever asks again. */
function requestName(key: string, nodeName: string): string {
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const digest = createHash("sha256")
    .update(spki)
    .update(`|${CLIENT_SIGNER}|${nodeName}|${CLIENT_USAGES.join(",")}`);
  return `node-csr-${digest.digest("hex").slice(0, 43)}`;
}

async function writeKubeconfig(path: string, server: ClientConfig, pem: string): Promise<void> {
  const { ca, insecureSkipTlsVerify, tlsServerName } = server;
  const cluster = {
    server: server.server,
    ...(ca ? { "certificate-authority-data": Buffer.from(ca).toString("base64") } : {}),
    ...(tlsServerName ? { "tls-server-name": tlsServerName } : {}),
    ...(insecureSkipTlsVerify ? { "insecure-skip-tls-verify": true } : {}),
  };
  // The file names the link to the newest certificate rather than its contents, so a rotation leaves it true.
  const document = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "default-cluster", cluster }],
    users: [{ name: "default-auth", user: { "client-certificate": pem, "client-key": pem } }],
    contexts: [
      { name: "default-context", context: { cluster: "default-cluster", user: "default-auth", namespace: "default" } },
    ],
    "current-context": "default-context",
  };
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.tmp`, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}
