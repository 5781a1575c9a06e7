// A whole isolated cluster for tests, started and stopped by the same scripts that people use.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterRecord } from "@skiff/cli/cluster-record.ts";
import { readClusterRecord } from "@skiff/cli/cluster-record.ts";
import type { Layout } from "@skiff/cli/layout.ts";
import { layoutOf, NETNS_FOLDER, nodeLayoutOf } from "@skiff/cli/layout.ts";
import { nodeAddress } from "@skiff/cli/network/address-plan.ts";
import type { CommandResult } from "@skiff/component-base/command.ts";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import { freePorts } from "./free-port.ts";

const SCRIPTS = fileURLToPath(new URL("../../../scripts", import.meta.url));
// /tmp may be on a file system that carries no overlay mounts, and paths of sockets must be short.
const STATE_PARENT = "/var/tmp";

export interface TestClusterOptions {
  readonly isolated: boolean;
  /** A network namespace that plays the host; the machine's own when absent. */
  readonly hostNamespace?: string;
}

export class TestCluster implements AsyncDisposable {
  readonly state: string;
  readonly apiPort: number;
  readonly layout: Layout;
  private readonly nodes: number;
  private readonly options: TestClusterOptions;

  private constructor(state: string, apiPort: number, nodes: number, options: TestClusterOptions) {
    this.state = state;
    this.apiPort = apiPort;
    this.layout = layoutOf(state);
    this.nodes = nodes;
    this.options = options;
  }

  /** Not started yet. */
  static async create(nodes = 2, options: TestClusterOptions = { isolated: true }): Promise<TestCluster> {
    const [port = 0] = await freePorts(1);
    return new TestCluster(mkdtempSync(join(STATE_PARENT, "skiff-test-")), port, nodes, options);
  }

  static async start(nodes = 2): Promise<TestCluster> {
    const cluster = await TestCluster.create(nodes);
    try {
      await cluster.up();
      return cluster;
    } catch (error) {
      // Nobody else will take down what came up so far.
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What `up` printed; rejects with it when it fails. */
  async up(): Promise<string> {
    const flags = ["--nodes", String(this.nodes), "--api-port", String(this.apiPort)];
    if (this.options.isolated) flags.push("--isolated");
    const { code, stdout, stderr } = await this.script("up", flags);
    if (code !== 0) throw new Error(`up failed:\n${stdout}${stderr}`);
    return stdout;
  }

  async down(...flags: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.script("down", flags);
    if (code !== 0) throw new Error(`down failed:\n${stdout}${stderr}`);
    return stdout;
  }

  get kubeconfig(): string {
    return this.layout.adminKubeconfig;
  }

  get record(): ClusterRecord {
    const record = readClusterRecord(this.layout.record);
    if (!record) throw new Error("the cluster has not been started");
    return record;
  }

  get nodeNames(): readonly string[] {
    return this.record.nodes;
  }

  addressOf(node: string): string {
    return nodeAddress(this.record.addresses, this.record.nodes.indexOf(node));
  }

  /** Runs a program in a node's network namespace. */
  onNode(node: string, command: string, ...args: string[]): Promise<string> {
    const { namespace } = nodeLayoutOf(this.layout, node);
    return commandOutput("nsenter", [`--net=${NETNS_FOLDER}/${namespace}`, command, ...args]);
  }

  /** containerd's own view of a node. */
  ctr(node: string, ...args: string[]): Promise<string> {
    const { containerdSocket } = nodeLayoutOf(this.layout, node);
    return commandOutput("ctr", ["--address", containerdSocket, "--namespace", "k8s.io", ...args]);
  }

  logOf(key: string): string {
    return readFileSync(join(this.layout.logs, `${key}.log`), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down("--purge");
    rmSync(this.state, { recursive: true, force: true });
  }

  /** Any other command of skiff; rejects with its words. */
  skiff(...words: string[]): Promise<string> {
    return commandOutput(join(SCRIPTS, "skiff"), words);
  }

  private script(name: "up" | "down", flags: readonly string[]): Promise<CommandResult> {
    const { hostNamespace } = this.options;
    const enter = hostNamespace ? ["nsenter", `--net=${join(NETNS_FOLDER, hostNamespace)}`] : ["env"];
    const [command = "", ...args] = [...enter, join(SCRIPTS, name), "--state", this.state, ...flags];
    return runCommand(command, args);
  }
}
