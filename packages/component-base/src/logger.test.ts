// Whether a logger knows that nobody reads it.
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { checkLog, createLogger } from "./logger.ts";

test("checkLog throws once a line could not be written, and not before", () => {
  // Every write to it fails: there is no space.
  const fd = openSync("/dev/full", "w");
  const log = createLogger("test", 2, fd);
  checkLog(log);
  log.info("lost");
  assert.throws(() => checkLog(log), /^Error: logging blocked/);
  log.info("lost too, and no crash");
  closeSync(fd);
});
