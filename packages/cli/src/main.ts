// skiff: starts and stops clusters on this machine, and does what they need of it.
import { realClock } from "@skiff/component-base/clock.ts";
import { createLogger } from "@skiff/component-base/logger.ts";
import { CommanderError } from "commander";
import type { CliCommand } from "./config.ts";
import { applySearchPath, parseCommand, runtimeSettings } from "./config.ts";
import { UserError } from "./user-error.ts";

await main();

async function main(): Promise<void> {
  try {
    const command = parseCommand();
    applySearchPath(runtimeSettings());
    process.exitCode = await run(command);
  } catch (error) {
    process.exitCode = report(error);
  }
}

// Each command loads its own parts: the forwarder must stay small, and `up` quick.
async function run(command: CliCommand): Promise<number> {
  switch (command.name) {
    case "up": {
      const { up } = await import("./commands/up.ts");
      return up(command, { clock: realClock, runtime: runtimeSettings() });
    }
    case "down": {
      const { down } = await import("./commands/down.ts");
      return down(command, { clock: realClock });
    }
    case "status": {
      const { showStatus } = await import("./commands/status.ts");
      return showStatus(command.state, { clock: realClock, runtime: runtimeSettings() });
    }
    case "load-images": {
      const { loadImages } = await import("./commands/load-images.ts");
      return loadImages(command, { clock: realClock });
    }
    case "supervise": {
      const { runSupervisor } = await import("./commands/run-supervisor.ts");
      await runSupervisor(command.state, runtimeSettings(), stopSignal());
      return 0;
    }
    case "forward": {
      const { forwardTcp, parseEndpoint } = await import("./forward.ts");
      const log = createLogger("api-forwarder");
      await forwardTcp(parseEndpoint(command.from), parseEndpoint(command.to), stopSignal(), log);
      return 0;
    }
    default: {
      const { runDeployCommand } = await import("./deploy/run-deploy-command.ts");
      return runDeployCommand(command, { clock: realClock, runtime: runtimeSettings(), signal: stopSignal() });
    }
  }
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => controller.abort(new Error(`stopped by ${name}`)));
  }
  return controller.signal;
}

/** A person's mistake is told in words; a stack is shown only where the fault is ours. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof UserError) {
    process.stderr.write(`Error: ${error.message}\n${error.hint ? `  ${error.hint}\n` : ""}`);
    return 1;
  }
  process.stderr.write(`Error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}
