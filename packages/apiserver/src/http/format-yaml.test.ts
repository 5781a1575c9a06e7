// YAML answers, byte by byte as upstream writes them. What is expected here is what the current release answered for the same values.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatYaml } from "./format-yaml.ts";
import { parseYaml } from "./yaml.ts";

test("formatYaml sorts keys, indents no lists and ends with one line end", () => {
  const value = {
    ...{ kind: "Pod", apiVersion: "v1", empty: {}, none: [], nothing: null },
    spec: { containers: [{ name: "c", args: ["a", "b"], ports: [{ port: 80 }] }], deep: [[1, 2], [[true]]] },
  };
  const lines = [
    ...["apiVersion: v1", "empty: {}", "kind: Pod", "none: []", "nothing: null", "spec:", "  containers:"],
    ...["  - args:", "    - a", "    - b", "    name: c", "    ports:", "    - port: 80"],
    ...["  deep:", "  - - 1", "    - 2", "  - - - true", ""],
  ];
  assert.equal(formatYaml(value), lines.join("\n"));
  assert.equal(formatYaml({}), "{}\n");
  const keys = ["A", "a10", "a2", "b", "_c", "2", "10", "a.b", "a/b"];
  const sorted = ["_c", "2", "10", "A", "a.b", "a/b", "a2", "a10", "b"];
  assert.deepEqual(
    Object.keys(parseYaml(formatYaml(Object.fromEntries(keys.map((key) => [key, 1])))) as object).sort(),
    [...keys].sort(),
  );
  const written = formatYaml(Object.fromEntries(keys.map((key) => [key, 1]))).replaceAll('"', "");
  assert.deepEqual(
    written
      .trim()
      .split("\n")
      .map((line) => line.split(":")[0]),
    sorted,
  );
});

test("formatYaml quotes what a reader of YAML 1.1 would take for something else, and nothing more", () => {
  const plain =
    "a|a b|:a|?a|-a|a#b|a]|a,b|a:b|1.2.3|10.0.0.0/8|1-2|2001-13-14|20010-1-1|0xZZ|0b12|NaN|inf|..|a'b|a\"b|<<|=|é|/a/b|http://x:80/|1,000|2001-01-01T00:00:00";
  for (const text of plain.split("|")) assert.equal(formatYaml([text]), `- ${text}\n`);
  const double =
    "true|Yes|y|N|on|~|NULL||1|-1|+1|1.5|1e3|.5|.inf|0x1F|0b11|017|018|1_000|1:30|1:30.5|2001-12-14|2001-1-1T1:1:1Z|2001-01-01 00:00:00|12e03";
  for (const text of double.split("|")) assert.equal(formatYaml([text]), `- "${text}"\n`);
  const single = "b | c|- a|-|? a|: a|a:|a: b|#a|a #b|[a|{a|,a|&a|*a|!a||a|>a|'a|\"a|%a|@a|`a|--- a|...|1. #";
  for (const text of single.split(/\|(?!a)/)) assert.equal(formatYaml([text]), `- '${text.replaceAll("'", "''")}'\n`);
  assert.equal(
    formatYaml(["\ta", "a\r", "\u0001", "😀", "\ufeff"]),
    '- "\\ta"\n- "a\\r"\n- "\\x01"\n- "\\U0001F600"\n- "\\uFEFF"\n',
  );
});

test("formatYaml writes texts of several lines as blocks and folds long ones", () => {
  const value = { a: "x\ny\n", b: "x\ny", c: "x\n\n", d: " x\ny", e: "x \ny", f: "x\n y\n" };
  const expected = [
    ...["a: |", "  x", "  y", "b: |-", "  x", "  y", "c: |+", "  x", "", "d: |2-", "   x", "  y"],
    ...['e: "x \\ny"', "f: |", "  x", "   y", ""],
  ];
  assert.equal(formatYaml(value), expected.join("\n"));
  const words = "only the following media types are accepted: application/json;stream=watch, application/yaml";
  const [head, tail] = [words.slice(0, words.lastIndexOf(" ")), words.slice(words.lastIndexOf(" ") + 1)];
  assert.equal(formatYaml({ message: words }), `message: '${head}\n  ${tail}'\n`);
  const long = "word ".repeat(30).trim();
  assert.deepEqual(parseYaml(formatYaml({ spec: [long, ` ${long}`, `${long}\t`] })), {
    spec: [long, ` ${long}`, `${long}\t`],
  });
});

test("formatYaml gives keys that are too long a line of their own", () => {
  const key = `k:{"name":"${"x".repeat(130)}"}`;
  assert.equal(formatYaml({ [key]: { ".": {} } }), `? ${key}\n: .: {}\n`);
});

test("formatYaml writes numbers as Go does", () => {
  const value = [0, -1, 1e6, 123_456_789_012, 0.5, 1_234_567.5, 100_000.5, 1e-4, 1e-5, -2.5];
  assert.equal(
    formatYaml(value),
    "- 0\n- -1\n- 1000000\n- 123456789012\n- 0.5\n- 1.2345675e+06\n- 100000.5\n- 0.0001\n- 1e-05\n- -2.5\n",
  );
});

test("what formatYaml writes is read back as it was", () => {
  const pieces = [
    "a",
    "b ",
    " ",
    "1",
    ":",
    "#",
    "-",
    "'",
    '"',
    "\n",
    "\n ",
    ",",
    "[",
    "long words ",
    "\t",
    "é",
    "true",
    "{",
    "\\",
  ];
  const texts = pieces.flatMap((a) => pieces.flatMap((b) => pieces.map((c) => a + b + c)));
  assert.deepEqual(parseYaml(formatYaml({ texts })), { texts });
});
