// Structured logs: one JSON line per event on stderr, fields first, constant messages.

import type { Logger } from "pino";
import { pino } from "pino";
import { currentTraceId } from "./trace.ts";

export type { Logger } from "pino";

/** Upstream's `-v` verbosity: 0–1 info, 2–3 info, 4 and above debug, 6 and above trace. */
export function createLogger(program: string, verbosity = 2): Logger {
  return pino(
    {
      level: levelOf(verbosity),
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const trace = currentTraceId();
        return trace ? { trace } : {};
      },
      redact: { paths: ["authorization", "token", "*.authorization", "*.token"], censor: "[redacted]" },
    },
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
