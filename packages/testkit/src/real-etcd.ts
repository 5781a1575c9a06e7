// A real etcd for tests: its own folder and ports, with TLS if asked for; it can be killed and started again on its data.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFileWhole } from "@skiff/cli/cluster-record.ts";
import { makeAuthority, signLeaf } from "@skiff/cli/pki/authority.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { ChildProgram } from "./child-program.ts";
import { freePorts } from "./free-port.ts";
import { waitFor } from "./wait-for.ts";

/** Paths of PEM files: the CA, and a client's certificate and key. */
export interface EtcdTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class RealEtcd implements AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
  readonly tls: EtcdTls | undefined;
  private readonly folder: string;
  private readonly command: string;
  private readonly args: readonly string[];
  private program: ChildProgram | undefined;

  private constructor(
    command: string,
    folder: string,
    [port, peerPort]: readonly [number, number],
    tls: EtcdTls | undefined,
  ) {
    const scheme = tls ? "https" : "http";
    this.command = command;
    this.folder = folder;
    this.port = port;
    this.tls = tls;
    this.endpoint = `${scheme}://127.0.0.1:${port}`;
    this.args = [
      `--name=test`,
      `--data-dir=${join(folder, "data")}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
      "--heartbeat-interval=20",
      "--election-timeout=200",
      "--logger=zap",
      ...(tls
        ? [
            `--cert-file=${join(folder, "server.crt")}`,
            `--key-file=${join(folder, "server.key")}`,
            "--client-cert-auth=true",
            `--trusted-ca-file=${tls.ca}`,
          ]
        : []),
    ];
  }

  /** Resolves once it answers as healthy. `command` is where etcd is, when not on the path. */
  static async start(options: { readonly tls?: boolean; readonly command?: string } = {}): Promise<RealEtcd> {
    const folder = mkdtempSync(join(tmpdir(), "skiff-etcd-"));
    const [port = 0, peerPort = 0] = await freePorts(2);
    const tls = options.tls ? await writeCertificates(folder) : undefined;
    await using started = new AsyncDisposableStack();
    const etcd = started.use(new RealEtcd(options.command ?? "etcd", folder, [port, peerPort], tls));
    await etcd.restart();
    started.move();
    return etcd;
  }

  /** Starts it again on its old data, after kill() or stop(). */
  async restart(): Promise<void> {
    this.program = new ChildProgram(this.command, this.args, { ETCD_UNSUPPORTED_ARCH: "arm64" });
    await waitFor("etcd to be healthy", () => this.isHealthy(), { timeoutMs: 20_000, intervalMs: 20 }).catch(
      (error) => {
        throw new Error(`${(error as Error).message}\n${this.program?.log.slice(-3000)}`);
      },
    );
  }

  /** SIGKILL: no chance to write anything more. */
  async kill(): Promise<void> {
    await this.program?.stop("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.program?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async isHealthy(): Promise<boolean> {
    if (!this.program?.isRunning) throw new Error("etcd ended");
    const read = (path: string) => readFileSync(path, "utf8");
    const tls = this.tls && { ca: read(this.tls.ca), cert: read(this.tls.cert), key: read(this.tls.key) };
    return new Promise((resolve, reject) => {
      const ask = tls ? httpsRequest : httpRequest;
      const outgoing = ask(`${this.endpoint}/health`, { agent: false, timeout: 1000, ...tls }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
  }
}

async function writeCertificates(folder: string): Promise<EtcdTls> {
  const now = realClock.now();
  const authority = await makeAuthority("etcd-ca", now);
  const server = await signLeaf(
    authority,
    { commonName: "etcd", addresses: ["127.0.0.1"], dnsNames: ["localhost"], usages: ["server", "client"] },
    now,
  );
  const client = await signLeaf(authority, { commonName: "client", usages: ["client"] }, now);
  const write = (name: string, text: string) => {
    writeFileWhole(join(folder, name), text, 0o600);
    return join(folder, name);
  };
  write("server.crt", server.cert);
  write("server.key", server.key);
  return {
    ca: write("ca.crt", authority.cert),
    cert: write("client.crt", client.cert),
    key: write("client.key", client.key),
  };
}
