// Opens what the kubelet needs of the world, runs it, and closes everything behind it.
import { mkdir } from "node:fs/promises";
import { EventRecorder } from "@skiff/client/event-recorder.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { type CertificateOptions, KubeletCertificates } from "./certificates/kubelet-certificates.ts";
import { openCgroups } from "./cgroups/open-cgroups.ts";
import type { KubeletConfig } from "./config.ts";
import { callMetrics } from "./cri/call-metrics.ts";
import { CriClient } from "./cri/cri-client.ts";
import type { CredentialProviders } from "./images/credential-providers/credential-providers.ts";
import { Kubelet } from "./kubelet.ts";
import { enforceReserved } from "./node/enforce-reserved.ts";
import { refuseOtherKernel } from "./node/kernel-flags.ts";
import { readMachineInfo, refuseSwap } from "./node/machine-info.ts";
import { nodeShape } from "./node/node-shape.ts";
import { raiseOpenFiles } from "./node/open-files.ts";
import { keepProcessesPlaced, placeProcesses, setOomScore } from "./node/place-processes.ts";
import { PodPaths } from "./pod-paths.ts";
import { requestToken } from "./volumes/request-token.ts";
import { readSelinuxHost } from "./volumes/selinux/selinux-host.ts";
import { TokenManager } from "./volumes/token-manager.ts";

/** To the apiserver, watches apart. Few, since each costs both sides a handshake and memory; requests are short. */
const CONNECTIONS = 8;

/** Runs until `context.signal` aborts. Containers run on. */
export async function runKubelet(config: KubeletConfig, program: ProgramContext): Promise<void> {
  // What fails for good ends everything else, so that the supervisor can start anew.
  const over = new AbortController();
  const context = { ...program, signal: AbortSignal.any([program.signal, over.signal]) };
  const { clock, log, metrics, signal } = context;
  const { settings } = config;
  // Before anything is touched, as upstream: an administrator who forbids swap wants no pod to start.
  if (settings.failSwapOn) await refuseSwap();
  const paths = new PodPaths(config["root-dir"], settings.podLogsDir, config["container-log-dir"]);
  await mkdir(paths.pods, { recursive: true, mode: 0o750 });
  await mkdir(paths.logLinks, { recursive: true, mode: 0o755 });
  const machine = await readMachineInfo();
  const node = await nodeShape(config, machine);
  const userAgent = `kubelet/${GIT_VERSION}`;
  const certificates = await KubeletCertificates.open(certificateOptions(config), context);
  await using client = new RestClient(
    certificates.server,
    { userAgent, connections: CONNECTIONS },
    { clock, log, metrics },
  );
  const { eventRecordQPS: perSecond, eventBurst: burst } = settings;
  await using recorder = new EventRecorder(
    client,
    { component: "kubelet", host: config.nodeName },
    { clock, log },
    perSecond > 0 ? { perSecond, burst } : undefined,
  );
  using cri = new CriClient(
    config["container-runtime-endpoint"],
    { clock, observe: callMetrics(metrics) },
    { timeoutMs: settings.runtimeRequestTimeout },
  );
  const serving = new ServingSlot(certificates.serving);
  // Who the kubelet is does not depend on what it can run, so this does not wait for the runtime.
  const identity = certificates.run(client, (pair) => serving.use(pair), signal);
  identity.catch((error) => over.abort(error));
  const cgroups = await openCgroups(settings.cgroupDriver, { cri, clock, log, signal });
  if (settings.failCgroupV1 && !cgroups.files.isUnified) throw new Error(NO_CGROUP_V1);
  if (settings.protectKernelDefaults) await refuseOtherKernel();
  await setOomScore(settings.oomScoreAdj, log);
  await raiseOpenFiles(settings.maxOpenFiles, log);
  await placeProcesses(settings, cgroups.files);
  await enforceReserved(settings, { cgroups, recorder, nodeName: config.nodeName });
  const tokens = new TokenManager(requestToken(client), { clock });
  const providers = await openProviders(config, context, { client, tokens });
  const selinux = await readSelinuxHost();
  const parts = { machine, node, paths, client, cri, cgroups, recorder, tokens, selinux, providers };
  const kubelet = new Kubelet(config, context, parts);
  await using _health = await serveHealth(
    {
      host: config["healthz-bind-address"],
      port: config["healthz-port"],
      checks: kubelet.checks,
    },
    { log },
  );
  await using server = await kubelet.serve(serving.newest);
  serving.fill(server);
  try {
    const placed = keepProcessesPlaced(settings, { files: cgroups.files, clock, log }, signal);
    await Promise.all([kubelet.run(signal), identity, placed]);
  } finally {
    // Workers stop where they are; their containers run on and are found again by the next kubelet.
    over.abort(new Error("the kubelet is ending"));
    await kubelet.stopped();
  }
}

const NO_CGROUP_V1 =
  "kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed in a future release";

type Pair = { readonly cert: string; readonly key: string };

/** Keeps the newest serving certificate for a server that may not be open yet. */
class ServingSlot {
  newest: Pair | undefined;
  private server: { useCertificate(pair: Pair): void } | undefined;

  constructor(first: Pair | undefined) {
    this.newest = first;
  }

  use(pair: Pair): void {
    this.newest = pair;
    this.server?.useCertificate(pair);
  }

  fill(server: { useCertificate(pair: Pair): void }): void {
    this.server = server;
    // One may have come while the server was opened.
    if (this.newest) server.useCertificate(this.newest);
  }
}

function certificateOptions(config: KubeletConfig): CertificateOptions {
  return {
    kubeconfig: config.kubeconfig,
    bootstrapKubeconfig: config["bootstrap-kubeconfig"],
    certDir: config["cert-dir"],
    nodeName: config.nodeName,
    nodeIps: config.nodeIps,
    rotateClient: config.settings.rotateCertificates,
    bootstrapServing: config.settings.serverTLSBootstrap,
    servingCert: config["tls-cert-file"],
    servingKey: config["tls-private-key-file"],
  };
}

/** Loaded only where the node has such plug-ins. */
async function openProviders(
  config: KubeletConfig,
  context: ProgramContext,
  { client, tokens }: { readonly client: RestClient; readonly tokens: TokenManager },
): Promise<CredentialProviders | undefined> {
  const file = config["image-credential-provider-config"];
  if (!file) return undefined;
  const { CredentialProviders } = await import("./images/credential-providers/credential-providers.ts");
  const { accountSource } = await import("./images/credential-providers/pod-account.ts");
  const options = { config: file, binDir: config["image-credential-provider-bin-dir"] };
  return CredentialProviders.open(options, { ...context, accounts: accountSource(client, tokens) });
}
