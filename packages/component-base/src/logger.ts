// Structured logs: one JSON line per event on stderr, fields first, constant messages.

import type { Logger } from "pino";
import { pino } from "pino";
import { currentTraceId } from "./trace.ts";

export type { Logger } from "pino";

/**
 * `verbosity` is upstream's `-v`: below 4 info, below 6 debug, else trace. Errors and warnings are always written, to
 * standard error unless `fd` names another file.
 */
export function createLogger(program: string, verbosity = 2, fd = 2): Logger {
  // Written at once: a buffered line would be lost when the process ends or crashes, which is when it matters. What cannot
  // be written waits for the next line, within a bound.
  const destination = pino.destination({ fd, sync: true, maxLength: MAX_UNWRITTEN_BYTES });
  const log = pino(
    {
      level: levelOf(verbosity),
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Read for each line: one logger serves many passes, each under a trace of its own.
      mixin: () => {
        const trace = currentTraceId();
        return trace ? { trace } : {};
      },
      // A net for what slips through, two levels deep; the rule is not to log secrets at all.
      redact: { paths: ["authorization", "token", "*.authorization", "*.token"], censor: "[redacted]" },
    },
    destination,
  );
  destination.on("error", (error: Error) => failures.set(log, error));
  destination.on("write", () => failures.delete(log));
  return log;
}

const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;
const failures = new WeakMap<Logger, Error>();

/** The health check `log`: throws while what `createLogger` made cannot write its lines. */
export function checkLog(log: Logger): void {
  const failure = failures.get(log);
  if (failure) throw new Error("logging blocked", { cause: failure });
}

/** From now on; `-v` of the command line is where it began. */
export function setVerbosity(log: Logger, verbosity: number): void {
  log.level = levelOf(verbosity);
}

function levelOf(verbosity: number): string {
  if (verbosity >= 6) return "trace";
  return verbosity >= 4 ? "debug" : "info";
}

/** A logger that drops everything; for tests and for tools that print for people. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
