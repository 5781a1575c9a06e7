// PUT /debug/flags/v: how much is logged, changed without a restart.
import type { Logger } from "@skiff/component-base/logger.ts";
import { setVerbosity } from "@skiff/component-base/logger.ts";
import type { Answer, PathHandler } from "./endpoint.ts";
import { readBytes } from "./read-body.ts";

export function verbosityHandler(log: Logger): PathHandler {
  return {
    path: "/debug/flags/v",
    async handle({ raw }) {
      if (raw.method !== "PUT") return text(406, "unsupported http method");
      const asked = (await readBytes(raw)).toString("utf8");
      if (!/^\d{1,9}$/.test(asked))
        return text(400, `strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`);
      setVerbosity(log, Number(asked));
      return text(200, `successfully set klog.logging.verbosity to ${asked}`);
    },
  };
}

function text(code: number, bytes: string): Answer {
  return { code, contentType: "text/plain; charset=utf-8", bytes };
}
