// kube-proxy: makes Services reachable from this node.
import { writeFile } from "node:fs/promises";
import { endpointSlices, nodes, services } from "@skiff/api/resource-ref.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { Informer } from "@skiff/client/informer.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { runProgram } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { IptablesBackend } from "./backends/iptables.ts";
import type { ProxyConfig } from "./config.ts";
import { parseConfig } from "./config.ts";
import { serveProxyHealth } from "./health.ts";
import { Proxier, SLICES_BY_SERVICE, sliceService } from "./proxier.ts";

await runProgram({ name: "kube-proxy", configure: parseConfig, run });

async function run(config: ProxyConfig, context: ProgramContext): Promise<void> {
  const { clock, log, metrics, signal } = context;
  const userAgent = `kube-proxy/${GIT_VERSION}`;
  await using client = new RestClient(await loadKubeconfig(config.kubeconfig), { userAgent }, { clock, log });
  // Headless Services have no rules, so a watch need not carry them or their slices.
  const serviceInformer = new Informer(
    client.of(services),
    { labelSelector: "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name" },
    { clock, log },
  );
  const sliceInformer = new Informer(
    client.of(endpointSlices),
    { labelSelector: "!service.kubernetes.io/headless", indexers: { [SLICES_BY_SERVICE]: sliceService } },
    { clock, log },
  );
  const nodeInformer = new Informer(
    client.of(nodes),
    { fieldSelector: `metadata.name=${config.nodeName}` },
    { clock, log },
  );
  const proxier = new Proxier(config, {
    services: serviceInformer,
    slices: sliceInformer,
    backend: new IptablesBackend(config, { metrics }),
    clock,
    log,
    metrics,
  });
  // A node that is unknown yet is eligible: upstream's check fails only for one that is going.
  const isNodeEligible = () => !nodeInformer.lister.get("", config.nodeName)?.metadata.deletionTimestamp;
  await using _health = config.healthz && (await serveProxyHealth(config.healthz, { proxier, isNodeEligible, clock }));
  await using _metrics = config.metrics && (await serveMetrics(config, context));
  await prepareKernel(config);
  await Promise.all([
    serviceInformer.run(signal),
    sliceInformer.run(signal),
    nodeInformer.run(signal),
    proxier.run(signal),
  ]);
}

function serveMetrics(config: ProxyConfig, { log, metrics }: ProgramContext): Promise<AsyncDisposable> {
  const { host, port } = config.metrics ?? { host: "127.0.0.1", port: 0 };
  const routes = {
    "/proxyMode": (_request: unknown, response: { end(text: string): unknown }) => void response.end("iptables"),
  };
  return serveHealth({ host, port, checks: [], metrics, routes }, { log });
}

async function prepareKernel(config: ProxyConfig): Promise<void> {
  // Without it the kernel drops packets from 127.0.0.1 that leave through another interface: NodePorts on localhost.
  if (config.localhostNodePorts) await writeFile("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
}
