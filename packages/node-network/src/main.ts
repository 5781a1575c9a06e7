// node-network: joins the pods of this node to those of the others.
import { nodes } from "@skiff/api/resource-ref.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { Informer } from "@skiff/client/informer.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { runProgram } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import type { NodeNetworkConfig } from "./config.ts";
import { parseConfig } from "./config.ts";
import { NodeNetwork } from "./node-network.ts";

await runProgram({ name: "node-network", configure: parseConfig, run });

async function run(config: NodeNetworkConfig, { clock, log, metrics, signal }: ProgramContext): Promise<void> {
  const userAgent = `node-network/${GIT_VERSION}`;
  await using client = new RestClient(await loadKubeconfig(config.kubeconfig), { userAgent }, { clock, log });
  const informer = new Informer(client.of(nodes), {}, { clock, log });
  const network = new NodeNetwork(config, informer, { clock, log });
  // Fails until the first sync, so that whoever waits for the node's network can ask here.
  const checks = [{ name: "network", check: () => network.checkHealth() }];
  await using _health =
    config.healthzPort > 0
      ? await serveHealth({ host: config.healthzAddress, port: config.healthzPort, checks, metrics }, { log })
      : undefined;
  await Promise.all([informer.run(signal), network.run(signal)]);
}
