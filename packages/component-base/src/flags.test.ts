// Flags as upstream's users write them, and the words for what is wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commonFlags, flag, parseDuration, parseFlags, UsageError } from "./flags.ts";

const flags = {
  ...commonFlags,
  elect: flag.bool(true, ""),
  period: flag.duration(5000, ""),
  names: flag.strings(["*"], ""),
  labels: flag.map({}, ""),
};

const parse = (...argv: string[]) => parseFlags("test", argv, flags);

test("parseFlags takes the verbosity in every form that upstream takes", () => {
  for (const argv of [["-v", "4"], ["-v=4"], ["-v4"], ["--v", "4"], ["--v=4"]])
    assert.equal(parse(...argv).v, 4, `${argv}`);
});

test("parseFlags reads values, adds up lists and maps, and keeps defaults", () => {
  const values = parse(
    "--elect=false",
    "--period=1m0.5s",
    "--names=a,b",
    "--names",
    "c",
    "--labels=x=1",
    "--labels=y=2=3",
  );
  assert.deepEqual(values, {
    v: 2,
    elect: false,
    period: 60_500,
    names: ["a", "b", "c"],
    labels: { x: "1", y: "2=3" },
  });
  assert.equal(parse("--elect").elect, true);
  assert.deepEqual(parse().names, ["*"]);
});

test("parseFlags names the flag and what is wrong", () => {
  const refuses = (argv: string[], message: RegExp) =>
    assert.throws(
      () => parse(...argv),
      (error: Error) => error instanceof UsageError && message.test(error.message),
    );
  refuses(["--nope=1"], /^unknown flag: --nope/);
  refuses(["--period=5"], /^invalid argument "5" for "--period" flag: "5" is no duration/);
  refuses(["-v=x"], /^invalid argument "x" for "-v, --v" flag: a whole number is wanted/);
  refuses(["stray"], /too many arguments/);
});

test("parseDuration reads Go's durations and nothing else", () => {
  assert.equal(parseDuration("1h5m0.5s"), 3_900_500);
  assert.equal(parseDuration("-1.5s"), -1500);
  assert.equal(parseDuration("0"), 0);
  for (const text of ["", "1", "1d", "s", "1s x"]) assert.throws(() => parseDuration(text), `${text}`);
});
