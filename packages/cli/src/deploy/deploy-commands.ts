// The commands that containers and machines with systemd are set up with, as parts of `skiff`'s command line.
import { resolve } from "node:path";
import type { Command } from "commander";
import type { ComposeSettings } from "./compose-cluster.ts";
import { API_SERVICE } from "./compose-cluster.ts";
import type { ComposeInitRequest } from "./compose-init.ts";
import type { ProbeTarget } from "./probe-target.ts";
import type { CertificatesRequest } from "./write-certificates.ts";

/** None of them needs a cluster made by `up`. */
export type DeployCommand =
  | ({ readonly name: "certs" } & CertificatesRequest)
  | ({ readonly name: "compose-init" } & ComposeInitRequest)
  | { readonly name: "compose-node"; readonly node: string; readonly settings: ComposeSettings }
  | { readonly name: "probe"; readonly targets: readonly ProbeTarget[] };

/** Adds them to `root`; `found` is called with the one that the line asks for. */
export function addDeployCommands(root: Command, found: (command: DeployCommand) => void): void {
  root
    .command("certs")
    .description("make the certificates and kubeconfigs of a cluster that systemd starts")
    .requiredOption("--control-plane <address...>", "addresses of the apiserver and of etcd, the apiserver's first")
    .option("--node <name=address...>", "the nodes", [])
    .option("--api-service <address>", "the first address of the Services' range", API_SERVICE)
    .option("--dir <folder>", "where they are written", "/etc/skiff")
    .action((options: { controlPlane: string[]; node: string[]; apiService: string; dir: string }) => {
      const { controlPlane, node: nodes, apiService, dir } = options;
      found({ name: "certs", folder: resolve(dir), controlPlane, nodes, apiService });
    });
  root
    .command("compose-init")
    .description("make the certificates of the cluster in docker-compose.yml (its init container)")
    .requiredOption("--state <dir>", "the state folder on the host")
    .requiredOption("--subnet <prefix>", "the first three bytes of the containers' network")
    .requiredOption("--api-port <port>", "the apiserver's port on the host", Number)
    .action((options: ComposeInitRequest) => found({ name: "compose-init", ...options }));
  root
    .command("compose-node <name>")
    .description("make this container a node (a worker of docker-compose.yml)")
    .requiredOption("--subnet <prefix>", "the first three bytes of the containers' network")
    .requiredOption("--mode <mode>", "how pods of other nodes are reached: routes or vxlan")
    .action((node: string, { subnet, mode }: { subnet: string; mode: string }) => {
      found({ name: "compose-node", node, settings: { subnet, networkMode: mode } });
    });
  root
    .command("probe <url...>")
    .description("fail unless all answer: http, https, tcp or unix URLs (the containers' health checks)")
    .option("--ca <file>", "who must have signed an https server's certificate")
    .option("--cert <file>", "our certificate")
    .option("--key <file>", "its key")
    .action((urls: string[], files: Omit<ProbeTarget, "url">) => {
      found({ name: "probe", targets: urls.map((url) => ({ url, ...files })) });
    });
}
