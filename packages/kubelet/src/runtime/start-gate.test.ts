import assert from "node:assert/strict";
import { test } from "node:test";
import { StartGate } from "./start-gate.ts";

test("StartGate bounds what runs at once and lets containers before sandboxes, failures included", async () => {
  const gate = new StartGate(2);
  const begun: string[] = [];
  const release = new Map<string, () => void>();
  const start = (stage: "container" | "sandbox", name: string) =>
    gate.run(stage, () => {
      begun.push(name);
      return new Promise<void>((resolve) => release.set(name, resolve));
    });
  const first = start("sandbox", "s1");
  const second = gate.run("sandbox", async () => {
    begun.push("s2");
    throw new Error("no");
  });
  const third = start("sandbox", "s3");
  await assert.rejects(second);
  await Promise.resolve();
  assert.deepEqual(begun, ["s1", "s2", "s3"]);
  const others = [start("sandbox", "s4"), start("container", "c1")];
  release.get("s1")?.();
  await first;
  await Promise.resolve();
  assert.deepEqual(begun.slice(3), ["c1"]);
  for (const name of ["s3", "c1"]) release.get(name)?.();
  await third;
  await others[1];
  await Promise.resolve();
  release.get("s4")?.();
  await others[0];
  assert.equal(begun.at(-1), "s4");
});
