// What a node says of itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeEvents } from "./node-events.ts";

const memory = (status: string) => ({ type: "MemoryPressure", status });
const ready = (status: string) => ({ type: "Ready", status });

test("node events tell each change of a condition once, and a readiness only when it is news", () => {
  const said: string[] = [];
  const events = new NodeEvents({ record: (_about, _type, reason) => said.push(reason) }, "n1");
  events.observe([memory("False"), ready("True")], [ready("True")]);
  events.observe([memory("False"), ready("True")], []);
  events.observe([memory("True"), ready("False")], []);
  assert.deepEqual(said, ["NodeHasSufficientMemory", "NodeHasInsufficientMemory", "NodeNotReady"]);
});
