// The shell around every program: flags, logger, signals, a graceful stop with a deadline.

import type { Clock } from "./clock.ts";
import { realClock } from "./clock.ts";
import { UsageError } from "./flags.ts";
import type { Logger } from "./logger.ts";
import { createLogger } from "./logger.ts";
import { MetricsRegistry, registerProcessMetrics } from "./metrics.ts";

/** What a program's `run` gets from the shell. */
export interface ProgramContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** Aborts at the first SIGTERM or SIGINT; `run` then stops what it started and returns. */
  readonly signal: AbortSignal;
}

export interface Program<Config extends { readonly v: number }> {
  readonly name: string;
  /** Flags to a validated configuration; throws UsageError. */
  configure(argv: readonly string[]): Config | Promise<Config>;
  /** Resolves once the program has stopped; its error ends the process with 1, except the signal's own reason after a stop. */
  run(config: Config, context: ProgramContext): Promise<void>;
}

/** A second signal, or this long after the first, ends the process whatever it still does. */
const STOP_DEADLINE_MS = 30_000;

/** Runs a program to its end and sets the exit code: 0 after a stop that was asked for, 1 for failures, 2 for bad flags. */
export async function runProgram<Config extends { readonly v: number }>(
  program: Program<Config>,
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  let config: Config;
  try {
    config = await program.configure(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`Error: ${error.message}\nSee '${program.name} --help'.\n`);
    process.exitCode = 2;
    return;
  }
  const log = createLogger(program.name, config.v);
  const metrics = new MetricsRegistry();
  registerProcessMetrics(metrics, realClock.now());
  const stop = stopOnSignals(log);
  // A promise that nobody waits for has failed: the state is unknown, and a restart is safer than going on.
  process.on("unhandledRejection", (error) => die(log, error, "unhandled rejection"));
  process.on("uncaughtException", (error) => die(log, error, "uncaught exception"));
  try {
    await program.run(config, { clock: realClock, log, metrics, signal: stop });
    log.info("stopped");
    // Not left to the event loop: an idle socket or timer that somebody forgot must not keep the process.
    process.exit(0);
  } catch (error) {
    if (stop.aborted && error === stop.reason) process.exit(0);
    die(log, error, "failed");
  }
}

function stopOnSignals(log: Logger): AbortSignal {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    // Asked twice: whoever asks does not want to wait.
    if (controller.signal.aborted) process.exit(1);
    log.info({ signal: name }, "stopping");
    controller.abort(new Error(`stopped by ${name}`));
    setTimeout(
      () => die(log, new Error(`still running ${STOP_DEADLINE_MS} ms after ${name}`), "stop deadline passed"),
      STOP_DEADLINE_MS,
      // The deadline alone is no reason to stay.
    ).unref();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return controller.signal;
}

function die(log: Logger, error: unknown, message: string): never {
  log.error({ err: error }, message);
  process.exit(1);
}
