// The node's agent with what the configuration says of it.
import type { ProgramContext } from "@skiff/component-base/program.ts";
import type { KubeletConfig } from "../config.ts";
import type { Parts } from "../kubelet.ts";
import type { NodeAgentDeps } from "./node-agent.ts";
import { NodeAgent } from "./node-agent.ts";
import { NodeEvents } from "./node-events.ts";

/** What only the kubelet as a whole knows. */
export type NodeAgentHooks = Pick<
  NodeAgentDeps,
  "images" | "problems" | "pressures" | "extended" | "volumesInUse" | "onNode"
>;

/** Each setting under the name that the agent has for it. */
export function makeNodeAgent(
  config: KubeletConfig,
  { clock, log }: Pick<ProgramContext, "clock" | "log">,
  { client, cri, machine, node, recorder }: Pick<Parts, "client" | "cri" | "machine" | "node" | "recorder">,
  hooks: NodeAgentHooks,
): NodeAgent {
  return new NodeAgent(
    {
      nodeName: config.nodeName,
      hostname: config.nodeName,
      nodeIps: config.nodeIps,
      labels: config["node-labels"],
      taints: config.taints,
      register: config["register-node"],
      size: node.size,
      reservation: node.reservation,
      port: config.port,
      statusUpdateMs: config["node-status-update-frequency"],
      providerId: config["provider-id"],
      statusReportMs: config.settings.nodeStatusReportFrequency,
      leaseSeconds: config.settings.nodeLeaseDurationSeconds,
      machine,
    },
    { client, cri, events: new NodeEvents(recorder, config.nodeName), clock, log, ...hooks },
  );
}
