import assert from "node:assert/strict";
import { test } from "node:test";
import { readEnvFile } from "./env-file.ts";

test("readEnvFile reads what a shell would read, to the letter", () => {
  const cases: [text: string, key: string, value: string | undefined][] = [
    ["   A='1'\n\t\tB='2'\nC='3'\n", "B", "2"],
    ["# comment\n\nA='x'\n   # another\n\nB='y'", "B", "y"],
    ["A='x#y=z' # why\nB='2'\t\n", "A", "x#y=z"],
    ["A='x' # why\nB='2'\t\n", "B", "2"],
    ["A='$HOME $B \\n \"q\" '", "A", '$HOME $B \\n "q" '],
    ["A=''\n", "A", ""],
    ["A='one\n\n  three = '\nB='2'", "A", "one\n\n  three = "],
    ["A='one\nB=not'\nB='2'", "B", "2"],
    ["A='1'\nA='2'", "A", "1"],
    ["A='1'\nnonsense", "A", "1"],
    ["A='1'", "B", undefined],
    ["", "B", undefined],
  ];
  for (const [text, key, value] of cases) assert.equal(readEnvFile(text, key), value, JSON.stringify(text));
});

test("readEnvFile refuses what a shell would read otherwise, and says where", () => {
  const cases: [text: string, why: string][] = [
    ["A ='1'", "whitespace before '=' is not allowed at line 1"],
    ["B='x\ny'\nA='1' x", "unexpected content after closing quote at line 3"],
    ['A="1"', "value must be enclosed in single quotes at line 1"],
    ["A= '1'", "value must be enclosed in single quotes at line 1"],
    ["B='1'\nA=2", "value must be enclosed in single quotes at line 2"],
    ["A='1''2'", "unexpected content after closing quote at line 1"],
    ["A='1'#2", "unexpected content after closing quote at line 1"],
    ["A='1\nB=2", "unclosed single quote at line 1"],
    ["='1'", "invalid environment variable format at line 1"],
    ["\nexport\nA='1'", "invalid environment variable format at line 2"],
  ];
  for (const [text, message] of cases) assert.throws(() => readEnvFile(text, "A"), { message }, text);
});
