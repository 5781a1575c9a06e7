// Structured logs: one JSON line per event on stderr, fields first, constant messages.

import type { Logger } from "pino";
import { pino } from "pino";
import { currentTraceId } from "./trace.ts";

export type { Logger } from "pino";

/** `verbosity` is upstream's `-v`: below 4 info, below 6 debug, else trace. Errors and warnings are always written. */
export function createLogger(program: string, verbosity = 2): Logger {
  return pino(
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
    // Written at once: a buffered line would be lost when the process ends or crashes, which is when it matters.
    pino.destination({ fd: 2, sync: true }),
  );
}

function levelOf(verbosity: number): string {
  if (verbosity >= 6) return "trace";
  return verbosity >= 4 ? "debug" : "info";
}

/** A logger that drops everything; for tests and for tools that print for people. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
