// Cron schedules: what is taken, what is refused and in which words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCron } from "./cron-schedule.ts";

/** The values of a field of a schedule. */
function values(text: string, field: "minute" | "hour" | "dayOfMonth" | "month" | "dayOfWeek"): number[] {
  const schedule = parseCron(text);
  assert.equal(schedule.type, "fields");
  const bits = schedule.type === "fields" ? schedule.fields[field] : 0n;
  return Array.from({ length: 60 }, (_, i) => i).filter((i) => (bits >> BigInt(i)) & 1n);
}

test("cron fields are sets of values", () => {
  assert.deepEqual(values("*/20 * * * *", "minute"), [0, 20, 40]);
  assert.deepEqual(values("5,10-12 * * * *", "minute"), [5, 10, 11, 12]);
  assert.deepEqual(values("50/3 * * * *", "minute"), [50, 53, 56, 59]);
  assert.deepEqual(values("10-30/10 * * * *", "minute"), [10, 20, 30]);
  assert.deepEqual(values("0 0 1 jan,DEC mon-wed", "month"), [1, 12]);
  assert.deepEqual(values("0 0 ? * mon-wed", "dayOfWeek"), [1, 2, 3]);
  assert.deepEqual(values("@weekly", "dayOfWeek"), [0]);
});

test("cron schedules may be intervals, and may name a zone", () => {
  assert.deepEqual(parseCron("@every 1h30m"), { type: "every", intervalMs: 5_400_000, timeZone: undefined });
  assert.equal(parseCron("CRON_TZ=Europe/Berlin 0 0 * * *").timeZone, "Europe/Berlin");
});

test("cron refuses in upstream's words", () => {
  const bad = {
    "": "empty spec string",
    "* * * * * *": "expected exactly 5 fields, found 6: [* * * * * *]",
    "@often": "unrecognized descriptor: @often",
    "60 * * * *": "end of range (60) above maximum (59): 60",
    "* * 0 * *": "beginning of range (0) below minimum (1): 0",
    "* * * * 7": "end of range (7) above maximum (6): 7",
    "5-2 * * * *": "beginning of range (5) beyond end of range (2): 5-2",
    "*/0 * * * *": "step of range should be a positive number: */0",
    "1-2-3 * * * *": "too many hyphens: 1-2-3",
    "1/2/3 * * * *": "too many slashes: 1/2/3",
    "x * * * *": 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
    "TZ=Nowhere * * * * *": "provided bad location Nowhere: unknown time zone Nowhere",
  };
  for (const [text, message] of Object.entries(bad)) assert.throws(() => parseCron(text), { message }, text);
});
