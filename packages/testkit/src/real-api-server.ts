// A real kube-apiserver for tests: a child process on a free loopback port with certificates of its own, over a given etcd.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyedCertificate, makeAuthority, makeSigningKeys, signLeaf } from "@skiff/cli/pki/authority.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { ChildProgram } from "./child-program.ts";
import { freePorts } from "./free-port.ts";
import { programFile } from "./program-file.ts";
import type { RealEtcd } from "./real-etcd.ts";
import { waitFor } from "./wait-for.ts";

export interface ApiServerOptions {
  /** Another address of the same etcd, such as a fault proxy's. */
  readonly etcdEndpoint?: string;
  /** Appended to the command line; a later flag wins. */
  readonly flags?: readonly string[];
  /** Takes the certificates of another server, so that the same clients can talk to both. */
  readonly like?: RealApiServer;
  /** The file to run instead of the sources, such as a bundle. */
  readonly main?: string;
  /** A program of another make that takes the same flags, to be compared with ours. */
  readonly command?: string;
  /** Node's own flags, before that file. */
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Files and texts that clients need. */
export interface ServerPki {
  readonly folder: string;
  readonly ca: KeyedCertificate;
  readonly admin: KeyedCertificate;
}

export class RealApiServer implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pki: ServerPki;
  /** A kubeconfig of `admin` in system:masters. */
  readonly kubeconfig: string;
  private readonly command: string;
  private readonly args: readonly string[];
  private readonly env: Readonly<Record<string, string>>;
  private readonly ownsPki: boolean;
  private program: ChildProgram | undefined;

  private constructor(port: number, pki: ServerPki, args: readonly string[], options: ApiServerOptions) {
    this.port = port;
    this.url = `https://127.0.0.1:${port}`;
    this.pki = pki;
    this.command = options.command ?? process.execPath;
    this.args = args;
    this.env = options.env ?? {};
    this.ownsPki = !options.like;
    this.kubeconfig = join(pki.folder, `kubeconfig-${port}`);
    writeFileSync(this.kubeconfig, kubeconfigOf(this.url, pki), { mode: 0o600 });
  }

  /** Resolves once /readyz answers ok. */
  static async start(etcd: RealEtcd, options: ApiServerOptions = {}): Promise<RealApiServer> {
    const [port = 0] = await freePorts(1);
    const pki = options.like?.pki ?? (await makePki());
    const args = [...argumentsFor(etcd, port, pki.folder, options), ...(options.flags ?? [])];
    await using started = new AsyncDisposableStack();
    const server = started.use(new RealApiServer(port, pki, args, options));
    await server.restart();
    started.move();
    return server;
  }

  get pid(): number {
    return this.program?.pid ?? 0;
  }

  get log(): string {
    return this.program?.log ?? "";
  }

  async restart(): Promise<void> {
    this.program = new ChildProgram(this.command, this.args, this.env);
    const probe = async () => !this.program?.isRunning || (await this.isReady());
    await waitFor("the apiserver to be ready", probe, { timeoutMs: 30_000, intervalMs: 20 }).catch((error) => {
      throw new Error(`${(error as Error).message}\n${this.log.slice(-4000)}`);
    });
    if (!this.program.isRunning) throw new Error(`the apiserver ended\n${this.log.slice(-4000)}`);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.program?.stop(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    if (this.ownsPki) rmSync(this.pki.folder, { recursive: true, force: true });
  }

  private async isReady(): Promise<boolean> {
    const { ca, admin } = this.pki;
    return await new Promise((resolve, reject) => {
      const options = { agent: false, timeout: 2000, ca: ca.cert, cert: admin.cert, key: admin.key };
      const outgoing = request(`${this.url}/readyz`, options, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
  }
}

/** A client certificate of the server's CA. */
export async function clientCertificate(
  { ca }: ServerPki,
  user: string,
  groups: readonly string[] = [],
): Promise<KeyedCertificate> {
  return await signLeaf(ca, { commonName: user, organizations: groups, usages: ["client"] }, realClock.now());
}

async function makePki(): Promise<ServerPki> {
  const now = realClock.now();
  const folder = mkdtempSync(join(tmpdir(), "skiff-apiserver-"));
  const ca = await makeAuthority("kubernetes", now);
  const serving = { commonName: "kube-apiserver", addresses: ["127.0.0.1"], dnsNames: ["localhost"] };
  const server = await signLeaf(ca, { ...serving, usages: ["server"] }, now);
  const kubelet = await signLeaf(
    ca,
    { commonName: "kube-apiserver-kubelet-client", organizations: ["system:masters"], usages: ["client"] },
    now,
  );
  const admin = await signLeaf(ca, { commonName: "admin", organizations: ["system:masters"], usages: ["client"] }, now);
  const signing = await makeSigningKeys();
  const files = {
    "ca.crt": ca.cert,
    "server.crt": server.cert,
    "server.key": server.key,
    "kubelet.crt": kubelet.cert,
    "kubelet.key": kubelet.key,
    "admin.crt": admin.cert,
    "admin.key": admin.key,
    "sa.pub": signing.publicKey,
    "sa.key": signing.privateKey,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  return { folder, ca, admin };
}

const MAIN = programFile("kube-apiserver", "apiserver");

function argumentsFor(etcd: RealEtcd, port: number, folder: string, options: ApiServerOptions): string[] {
  const file = (name: string) => join(folder, name);
  const tls = etcd.tls
    ? [`--etcd-cafile=${etcd.tls.ca}`, `--etcd-certfile=${etcd.tls.cert}`, `--etcd-keyfile=${etcd.tls.key}`]
    : [];
  return [
    ...(options.command ? [] : [...(options.nodeFlags ?? []), options.main ?? MAIN]),
    `--etcd-servers=${options.etcdEndpoint ?? etcd.endpoint}`,
    ...tls,
    "--bind-address=127.0.0.1",
    // Endpoints refuse loopback addresses; nobody connects to this one (TEST-NET-1).
    "--advertise-address=192.0.2.1",
    `--secure-port=${port}`,
    `--tls-cert-file=${file("server.crt")}`,
    `--tls-private-key-file=${file("server.key")}`,
    `--client-ca-file=${file("ca.crt")}`,
    `--service-account-key-file=${file("sa.pub")}`,
    `--service-account-signing-key-file=${file("sa.key")}`,
    `--kubelet-client-certificate=${file("kubelet.crt")}`,
    `--kubelet-client-key=${file("kubelet.key")}`,
    `--kubelet-certificate-authority=${file("ca.crt")}`,
  ];
}

function kubeconfigOf(url: string, { ca, admin }: ServerPki): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": base64(ca.cert) } }],
    users: [
      {
        name: "admin",
        user: { "client-certificate-data": base64(admin.cert), "client-key-data": base64(admin.key) },
      },
    ],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
    "current-context": "test",
  });
}
