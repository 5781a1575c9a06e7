// The command line of `skiff` as validated commands, and the only place that reads the arguments and the environment.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { DeployCommand } from "./deploy/deploy-commands.ts";
import { addDeployCommands } from "./deploy/deploy-commands.ts";
import { MAX_NODES } from "./network/address-plan.ts";
import { PROGRAM_ENVIRONMENT } from "./programs.ts";
import type { Runtime } from "./supervisor/instances.ts";

/** What was asked for; undefined options are left to the cluster as it was made. */
export type CliCommand =
  | DeployCommand
  | {
      readonly name: "up";
      readonly nodes: number | undefined;
      readonly state: string;
      readonly isolated: boolean;
      readonly apiPort: number | undefined;
    }
  | { readonly name: "down"; readonly state: string; readonly purge: boolean }
  | { readonly name: "status"; readonly state: string }
  | { readonly name: "load-images"; readonly state: string; readonly what: readonly string[] }
  | { readonly name: "supervise"; readonly state: string }
  | { readonly name: "forward"; readonly from: string; readonly to: string };

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Throws CommanderError, with code "help" parts already printed, for a line that is none of ours. */
export function parseCommand(argv: readonly string[] = process.argv.slice(2)): CliCommand {
  let parsed: CliCommand | undefined;
  const root = new Command("skiff").description("A Kubernetes cluster on this machine").exitOverride();
  const withState = (name: string, description: string) =>
    root.command(name).description(description).option("--state <dir>", "the cluster's state folder", defaultState());
  withState("up", "start a cluster, or finish starting one")
    .option("--nodes <n>", "number of nodes (2 for a new cluster)", nodeCount)
    .option("--isolated", "nothing in the cluster can reach beyond this machine", false)
    .option("--api-port <port>", "the apiserver's port on 127.0.0.1 (6443 for a new cluster)", port)
    .action((options: { nodes?: number; state: string; isolated: boolean; apiPort?: number }) => {
      parsed = {
        name: "up",
        ...options,
        nodes: options.nodes,
        apiPort: options.apiPort,
        state: resolve(options.state),
      };
    });
  withState("down", "stop a cluster and leave nothing of it running")
    .option("--purge", "remove its state too", false)
    .action((options: { state: string; purge: boolean }) => {
      parsed = { name: "down", ...options, state: resolve(options.state) };
    });
  withState("status", "show a cluster's programs").action((options: { state: string }) => {
    parsed = { name: "status", state: resolve(options.state) };
  });
  root
    .command("images")
    .description("manage the nodes' images")
    .command("load <file-or-ref...>")
    .description("put images on all nodes: archive files, or references")
    .option("--state <dir>", "the cluster's state folder", defaultState())
    .action((what: string[], options: { state: string }) => {
      parsed = { name: "load-images", state: resolve(options.state), what };
    });
  withState("supervise", "keep a cluster's programs running (started by up)").action((options: { state: string }) => {
    parsed = { name: "supervise", state: resolve(options.state) };
  });
  root
    .command("forward <from> <to>")
    .description("carry TCP connections from HOST:PORT to HOST:PORT (started by up)")
    .action((from: string, to: string) => {
      parsed = { name: "forward", from, to };
    });
  addDeployCommands(root, (command) => {
    parsed = command;
  });
  root.parse(argv as string[], { from: "user" });
  if (!parsed) throw new CommanderError(2, "skiff.noCommand", "no command was given");
  return parsed;
}

/** How programs are started: with this Node, from the bundles of this checkout. */
export function runtimeSettings(): Runtime {
  // Nothing else of the caller's environment reaches the programs: a cluster must not differ by who started it.
  const { PATH = "", HOME = "/root", HTTP_PROXY, HTTPS_PROXY, NO_PROXY } = process.env;
  const bundles = resolve(ROOT, "dist");
  const proxies = Object.entries({ HTTP_PROXY, HTTPS_PROXY, NO_PROXY }).filter(([, value]) => value !== undefined);
  return {
    nodeBinary: process.execPath,
    bundles,
    resolvConf: "/etc/resolv.conf",
    env: {
      ...(Object.fromEntries(proxies) as Record<string, string>),
      PATH: withSystemFolders(PATH),
      HOME,
      ...PROGRAM_ENVIRONMENT,
      NODE_COMPILE_CACHE: resolve(bundles, ".compile-cache"),
      // etcd 3.4 refuses to start on this architecture unless told that its user knows.
      ...(process.arch === "arm64" ? { ETCD_UNSUPPORTED_ARCH: "arm64" } : {}),
    },
  };
}

// sudo and cron often leave these out, and the tools that we need are there.
function withSystemFolders(path: string): string {
  const folders = path.split(":").filter(Boolean);
  for (const folder of ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]) {
    if (!folders.includes(folder)) folders.push(folder);
  }
  return folders.join(":");
}

/** Makes the tools that this process starts be found as the programs' are. */
export function applySearchPath(runtime: Runtime): void {
  process.env.PATH = runtime.env.PATH;
}

function defaultState(): string {
  return resolve(ROOT, ".skiff");
}

function nodeCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MAX_NODES) {
    throw new InvalidArgumentError(`a number of nodes from 1 to ${MAX_NODES} is wanted`);
  }
  return count;
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError("a port is wanted");
  return value;
}
