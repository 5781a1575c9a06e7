// One wrong field at a time in a manifest that says almost everything: the errors that upstream's apiserver finds.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { KINDS } from "./index.ts";
import { judgeNew } from "./judge.ts";

/** Where, what (nothing takes the field away), and the errors in upstream's order. */
type Row = readonly [path: readonly (string | number)[], change: { value?: unknown }, errors: readonly string[]];

interface Answers {
  readonly group: string;
  readonly kind: string;
  readonly base: object;
  readonly rows: readonly Row[];
}

/** Long sentences of errors stand in the first line, and as `§0` in the others. */
function readAnswers(): Answers[] {
  const [head = "", ...lines] = readFileSync(new URL("./upstream-answers.jsonl", import.meta.url), "utf8")
    .trim()
    .split("\n");
  const { phrases } = JSON.parse(head) as { phrases: readonly string[] };
  const expand = (text: string) => text.replace(/§(\d)/g, (_, i) => phrases[Number(i)] ?? "");
  return lines.map((line) => {
    const answers = JSON.parse(line) as Answers;
    return { ...answers, rows: answers.rows.map(([path, change, errors]) => [path, change, errors.map(expand)]) };
  });
}

function changed(base: object, path: Row[0], change: Row[1]): object {
  const object = structuredClone(base);
  let parent = object as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) parent = parent[part] as typeof parent;
  const last = path.at(-1) ?? "";
  if ("value" in change) parent[last] = change.value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return object;
}

test("every kind judges its fields as upstream does", () => {
  for (const { group, kind: name, base, rows } of readAnswers()) {
    const kind = KINDS.find((known) => known.group === group && known.kind === name);
    assert.ok(kind, name);
    for (const [path, change, errors] of rows) {
      const place = `${name} ${path.join(".")} ${JSON.stringify(change)}`;
      assert.deepEqual(judgeNew(kind, changed(base, path, change)), errors, place);
    }
  }
});
