// The program itself: serves health and metrics, waits for leadership, then runs the chosen controllers.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { ClientConfig } from "@skiff/client/config.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import type { Controller } from "@skiff/client/controller.ts";
import { runControllers } from "@skiff/client/controller.ts";
import { EventRecorder } from "@skiff/client/event-recorder.ts";
import { InformerFactory } from "@skiff/client/informer-factory.ts";
import { LeaderElector } from "@skiff/client/leader-election.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { WorkQueue } from "@skiff/client/work-queue.ts";
import { WorkQueueMetrics } from "@skiff/client/work-queue-metrics.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { AccountClient } from "./account-client.ts";
import type { ControllerManagerConfig, parseConfig } from "./config.ts";
import type { ControllerContext, ControllerDefinition } from "./controllers/controller-definition.ts";
import { CONTROLLERS } from "./controllers/index.ts";
import { selectControllers } from "./controllers/select-controllers.ts";
import { shareInformers } from "./controllers/shared-informers.ts";
import { serve } from "./serve.ts";

const NAME = "kube-controller-manager";
const USER_AGENT = `${NAME}/${GIT_VERSION}`;

/** Runs until the signal aborts, or throws when leadership is lost: the program then exits and starts over as a candidate. */
export async function runManager(flags: ReturnType<typeof parseConfig>, program: ProgramContext): Promise<void> {
  const { clock, log, metrics, signal } = program;
  const controllers = selectControllers(CONTROLLERS, flags.controllers);
  const server = await loadKubeconfig(flags.kubeconfig);
  const config: ControllerManagerConfig = Object.freeze({
    ...flags,
    rootCa: await readRootCa(flags.rootCaFile, server),
  });
  await using client = new RestClient(server, { userAgent: USER_AGENT }, { clock, log, metrics });
  const elector = new LeaderElector(
    { ...config.leaderElection, client, identity: `${hostname()}_${randomUUID()}` },
    { clock, log },
  );
  await using _servers = await serve(config, program);
  const shared = { ...program, config, client, server, queueMetrics: new WorkQueueMetrics(metrics, clock) };
  // Caches, queues and clients belong to a term: a second one would start from nothing, as after a restart.
  const lead = (leading: AbortSignal) => runTerm(controllers, shared, leading);
  if (config.leaderElection.enabled) await elector.run(lead, signal);
  else await lead(signal);
}

/** What outlives a term of leadership; its signal is the term's own. */
interface Shared extends Omit<ProgramContext, "signal"> {
  readonly config: ControllerManagerConfig;
  readonly client: RestClient;
  readonly server: ClientConfig;
  readonly queueMetrics: WorkQueueMetrics;
}

/** One term of leadership: informers and controllers live no longer than it. */
async function runTerm(
  definitions: readonly ControllerDefinition[],
  shared: Shared,
  signal: AbortSignal,
): Promise<void> {
  const { client, clock, log } = shared;
  const factory = new InformerFactory(client, { clock, log });
  const informers = shareInformers(factory);
  const clients = new Clients(shared);
  await using _clients = clients;
  const recorders = new Map<string, EventRecorder>();
  const contextOf = (definition: ControllerDefinition): ControllerContext => {
    const own = clients.of(definition.serviceAccount);
    const recorder = new EventRecorder(own, { component: definition.component }, { clock, log });
    recorders.set(definition.name, recorder);
    const { config, metrics, queueMetrics } = shared;
    const newQueue = (name = definition.name) => new WorkQueue<string>({ name }, { clock, metrics: queueMetrics });
    return {
      config,
      client: own,
      informers,
      recorder,
      clock,
      metrics,
      newQueue,
      log,
    };
  };
  // Each has its own client and recorder, but caches are shared: one watch per resource for all of them.
  const controllers = definitions.map((definition): Controller => {
    const context = contextOf(definition);
    return { name: definition.name, run: (stop) => definition.run(context, stop) };
  });
  // Informers end with the controllers, also when one of these fails.
  const ended = new AbortController();
  const watching = factory.run(AbortSignal.any([signal, ended.signal]));
  try {
    await runControllers(controllers, { signal, log });
  } finally {
    ended.abort();
    await watching;
    await Promise.all([...recorders.values()].map((recorder) => recorder[Symbol.asyncDispose]()));
  }
}

/** One client for all, or one per ServiceAccount. */
class Clients implements AsyncDisposable {
  private readonly shared: Shared;
  private readonly own = new Map<string, RestClient>();

  constructor(shared: Shared) {
    this.shared = shared;
  }

  of(account: string): RestClient {
    const { client, server, config, clock, log } = this.shared;
    if (!config.useServiceAccountCredentials) return client;
    const known = this.own.get(account);
    if (known) return known;
    const options = { account, userAgent: `${USER_AGENT}/system:serviceaccount:kube-system:${account}` };
    const made = new AccountClient(client, server, options, { clock, log });
    this.own.set(account, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.own.values()) await client[Symbol.asyncDispose]();
  }
}

/** Pods that trust the apiserver as this program does are right even where no file is named. */
async function readRootCa(path: string, server: ClientConfig): Promise<string | undefined> {
  if (!path) return server.ca;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`--root-ca-file ${path} cannot be read`, { cause: error });
  }
}
