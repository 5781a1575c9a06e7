// kube-scheduler: finds a node for every pod that has none.
import { randomUUID } from "node:crypto";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { runLeaderElected } from "@skiff/client/leader-election.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { runProgram } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import type { SchedulerConfig } from "./config.ts";
import { parseConfig } from "./config.ts";
import { servePorts } from "./serve.ts";
import { SchedulerServer } from "./server.ts";

await runProgram({ name: "kube-scheduler", configure: parseConfig, run });

async function run(config: SchedulerConfig, context: ProgramContext): Promise<void> {
  const { clock, log, metrics } = context;
  const userAgent = `kube-scheduler/${GIT_VERSION}`;
  const apiserver = await loadKubeconfig(config.kubeconfig);
  await using client = new RestClient(apiserver, { userAgent }, { clock, log, metrics });
  // A connection of its own: a queue of bindings must not keep the lease from being renewed.
  await using leaseClient = new RestClient(
    apiserver,
    { userAgent: `${userAgent}/leader-election`, connections: 1 },
    { clock, log },
  );
  const server = new SchedulerServer({ client, metrics, clock, log });
  await using _ports = await servePorts(config, { client, decisions: server.decisions }, context);
  // Losing the lease ends the program, and with it the watches.
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const watching = server.watch(signal);
  try {
    await leadOrWait(config, server, leaseClient, context);
  } finally {
    stop.abort();
    await watching;
  }
}

async function leadOrWait(
  config: SchedulerConfig,
  server: SchedulerServer,
  client: RestClient,
  { clock, log, signal }: ProgramContext,
): Promise<void> {
  if (!config.leaderElection) return server.lead(signal);
  const { host, ...election } = config.leaderElection;
  const identity = `${host}_${randomUUID()}`;
  const lead = (leading: AbortSignal) => server.lead(leading);
  await runLeaderElected({ client, identity, ...election }, lead, { clock, log }, signal);
}
