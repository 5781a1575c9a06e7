// A real kube-apiserver over a real etcd for tests, on free ports of loopback, with a cluster's certificates.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePki } from "@skiff/cli/pki/cluster-pki.ts";
import { credentialsOfKubeconfig } from "@skiff/cli/pki/kubeconfig.ts";
import { programNamed, renderFlags } from "@skiff/cli/programs.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { ChildProgram } from "./child-program.ts";
import { freePorts } from "./free-port.ts";
import { RealEtcd } from "./real-etcd.ts";
import { waitFor } from "./wait-for.ts";

const MAIN = fileURLToPath(new URL("../../apiserver/src/main.ts", import.meta.url));
const SERVICE_RANGE = "10.96.0.0/16";
const POD_RANGE = "10.244.0.0/16";
const API_SERVICE = "10.96.0.1";
const NODES = [{ name: "node-1", addresses: ["127.0.0.1"] }];

/** An HTTP answer; `body` is parsed where it is JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export class RealApiserver implements AsyncDisposable {
  readonly port: number;
  readonly etcd: RealEtcd;
  private readonly folder: string;
  private program: ChildProgram | undefined;

  private constructor(folder: string, port: number, etcd: RealEtcd) {
    this.folder = folder;
    this.port = port;
    this.etcd = etcd;
  }

  /** Resolves once /readyz says so. Its etcd is its own, and goes with it. */
  static async start(): Promise<RealApiserver> {
    const folder = mkdtempSync(join(tmpdir(), "skiff-apiserver-"));
    const [[port = 0], etcd] = await Promise.all([freePorts(1), RealEtcd.start({ tls: true })]);
    const server = new RealApiserver(folder, port, etcd);
    const names = { controlPlaneAddresses: [], controlPlaneNames: [], apiService: API_SERVICE, nodes: NODES };
    const folders = { pki: join(folder, "pki"), kubeconfigs: folder };
    await ensurePki(folders, names, `https://127.0.0.1:${port}`, realClock.now());
    await server.restart();
    return server;
  }

  /** The kubeconfig of `admin`, `scheduler`, `controller-manager`, `kube-proxy`, `kubelet-node-1` … */
  kubeconfig(user = "admin"): string {
    return join(this.folder, `${user}.conf`);
  }

  /** Starts it again after kill(). */
  async restart(): Promise<void> {
    this.program = new ChildProgram(process.execPath, [MAIN, ...this.flags()]);
    const isReady = async () => {
      if (!this.program?.isRunning) throw new Error("the apiserver ended");
      return (await this.ask("GET", "/readyz")).status === 200;
    };
    await waitFor("the apiserver to be ready", isReady, { timeoutMs: 30_000 }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.program?.log.slice(-3000)}`);
    });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.program?.stop("SIGKILL");
  }

  /** One request as the given user, over a connection of its own. */
  ask(method: string, path: string, body?: unknown, contentType = "application/json", user = "admin"): Promise<Answer> {
    const { server, ...tls } = credentialsOfKubeconfig(readFileSync(this.kubeconfig(user), "utf8"));
    return new Promise((resolve, reject) => {
      const options = { method, agent: false as const, headers: { "content-type": contentType }, ...tls };
      const outgoing = request(`${server}${path}`, options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: parsed(text) }));
      });
      outgoing.on("error", reject);
      outgoing.end(typeof body === "string" ? body : body && JSON.stringify(body));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.etcd[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The table's flags, with this test's ports and etcd. */
  private flags(): string[] {
    const place = {
      pki: join(this.folder, "pki"),
      kubeconfig: (name: string) => this.kubeconfig(name),
      controlPlane: "127.0.0.1",
      etcd: "127.0.0.1",
      etcdData: "",
      podRange: POD_RANGE,
      serviceRange: SERVICE_RANGE,
      networkMode: "routes" as const,
    };
    const { ca, cert, key } = this.etcd.tls!;
    return renderFlags({
      ...programNamed("kube-apiserver").flags(place),
      "bind-address": "127.0.0.1",
      "secure-port": String(this.port),
      "etcd-servers": this.etcd.endpoint,
      "etcd-cafile": ca,
      "etcd-certfile": cert,
      "etcd-keyfile": key,
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
