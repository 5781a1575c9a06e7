// Runs one of the commands of deploy-commands.ts; each loads its own parts, so that a probe stays quick.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Runtime } from "../supervisor/instances.ts";
import type { DeployCommand } from "./deploy-commands.ts";

/** The exit code. */
export async function runDeployCommand(
  command: DeployCommand,
  deps: { clock: Clock; runtime: Runtime; signal: AbortSignal },
): Promise<number> {
  switch (command.name) {
    case "certs": {
      const { writeCertificates } = await import("./write-certificates.ts");
      return writeCertificates(command, deps);
    }
    case "compose-init": {
      const { composeInit } = await import("./compose-init.ts");
      return composeInit(command, deps);
    }
    case "compose-node": {
      const { composeNode } = await import("./compose-node.ts");
      return composeNode(command.node, command.settings, deps.runtime, deps, deps.signal);
    }
    case "probe":
      return probe(command.targets);
  }
}

async function probe(targets: (DeployCommand & { name: "probe" })["targets"]): Promise<number> {
  const { probeHealth } = await import("../supervisor/health-probe.ts");
  const { probeOf } = await import("./probe-target.ts");
  const problems = (await Promise.all(targets.map((target) => probeHealth(probeOf(target))))).filter(
    (problem) => problem !== undefined,
  );
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  return problems.length > 0 ? 1 : 0;
}
