// Opens what the kubelet needs of the world, runs it, and closes everything behind it.
import { mkdir } from "node:fs/promises";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { EventRecorder } from "@skiff/client/event-recorder.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { CgroupFs } from "./cgroups/cgroup-fs.ts";
import type { KubeletConfig } from "./config.ts";
import { callMetrics } from "./cri/call-metrics.ts";
import { CriClient } from "./cri/cri-client.ts";
import { Kubelet } from "./kubelet.ts";
import { readMachineInfo, refuseSwap } from "./node/machine-info.ts";
import { nodeShape } from "./node/node-shape.ts";
import { PodPaths } from "./pod-paths.ts";

/** To the apiserver, watches apart. Few, since each costs both sides a handshake and memory; requests are short. */
const CONNECTIONS = 8;

/** Runs until `context.signal` aborts. Containers run on. */
export async function runKubelet(config: KubeletConfig, context: ProgramContext): Promise<void> {
  const { clock, log, metrics, signal } = context;
  const { settings } = config;
  if (settings.failSwapOn) await refuseSwap();
  const paths = new PodPaths(config["root-dir"], settings.podLogsDir, config["container-log-dir"]);
  await mkdir(paths.pods, { recursive: true, mode: 0o750 });
  await mkdir(paths.logLinks, { recursive: true, mode: 0o755 });
  const machine = await readMachineInfo();
  const node = await nodeShape(config, machine);
  const userAgent = `kubelet/${GIT_VERSION}`;
  await using client = new RestClient(
    await loadKubeconfig(config.kubeconfig),
    { userAgent, connections: CONNECTIONS },
    { clock, log, metrics },
  );
  await using recorder = new EventRecorder(client, { component: "kubelet", host: config.nodeName }, { clock, log });
  using cri = new CriClient(
    config["container-runtime-endpoint"],
    { clock, observe: callMetrics(metrics) },
    { timeoutMs: settings.runtimeRequestTimeout },
  );
  const cgroupFs = await CgroupFs.open(clock);
  const kubelet = new Kubelet(config, context, { machine, node, paths, client, cri, cgroupFs, recorder });
  await using _health = await serveHealth(
    {
      host: config["healthz-bind-address"],
      port: config["healthz-port"],
      checks: kubelet.checks,
    },
    { log },
  );
  await using _server = await kubelet.serve();
  try {
    await kubelet.run(signal);
  } finally {
    await kubelet.stopped();
  }
}
