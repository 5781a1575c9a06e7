// YAML bodies as Go's parser reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { processorMs } from "@skiff/testkit/processor-time.ts";
import { parseYaml } from "./yaml.ts";

test("parseYaml reads the words of YAML 1.1 as booleans and leaves times as text", () => {
  const text = "a: yes\nb: off\nc: 'yes'\nd: 2001-12-14\ne: 0x10\nf: 1_000\ng: ~\nh: 1e3\ni: 0o7\nj: 010\n";
  const value = parseYaml(text) as Record<string, unknown>;
  assert.deepEqual(
    { a: value.a, b: value.b, c: value.c, d: value.d, g: value.g },
    {
      a: true,
      b: false,
      c: "yes",
      d: "2001-12-14",
      g: null,
    },
  );
  assert.equal(value.e, 16);
  assert.equal(value.h, 1000);
  assert.equal(value.j, 8);
});

test("parseYaml refuses what grows without end and what is no YAML", () => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 10; i++)
    bomb.push(
      `b${i}: &b${i} [${Array(9)
        .fill(i === 1 ? "*a" : `*b${i - 1}`)
        .join(",")}]`,
    );
  assert.throws(() => parseYaml(bomb.join("\n")), { code: 400 });
  assert.throws(() => parseYaml("a: [1"), { code: 400 });
});

test("parseYaml is done with hostile texts in time that grows no faster than they do", () => {
  const hostile = (piece: string, bytes: number) => piece.repeat(bytes / piece.length);
  const took = (piece: string, bytes: number) =>
    processorMs(() => assert.throws(() => parseYaml(hostile(piece, bytes)), { code: 400 }));
  for (const piece of ["[]", "{}", "&a ", "!a ", "]", "'a' "]) {
    took(piece, 8_000);
    const [short, long] = [took(piece, 8_000), took(piece, 96_000)];
    assert.ok(long < 2000 + short * 40, `${piece}: ${short} ms, then ${long} ms for twelve times as much`);
  }
  assert.throws(() => parseYaml(hostile("- a\n", 3_000_000)), { message: /too many tokens/ });
  assert.throws(() => parseYaml(`- &a x\n${hostile("- *a\n", 100_000)}`), { message: /too many tokens/ });
  assert.throws(() => parseYaml("a: 1\nb: [\n"), { message: /yaml: line \d+: / });
});

test("parseYaml reads JSON of any size as JSON", () => {
  const value = { data: Array.from({ length: 400_000 }, (_, i) => i) };
  assert.deepEqual(parseYaml(JSON.stringify(value)), value);
});
