// What the query of a log request means, and which ones are refused; which container is meant.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import type { RuntimeContainer } from "../../runtime/runtime-pod.ts";
import { chooseLogContainer } from "./choose-container.ts";
import { parseLogOptions } from "./log-options.ts";

const parse = (query: string) => parseLogOptions(new URLSearchParams(query), 100_000);

test("parseLogOptions reads every option", () => {
  const query = "follow=true&previous=false&timestamps=1&tailLines=5&limitBytes=10&sinceSeconds=40&stream=All";
  const expected = { follow: true, previous: false, timestamps: true, tailLines: 5, limitBytes: 10 };
  assert.deepEqual(parse(query), { ...expected, sinceMs: 60_000, stream: undefined });
  assert.equal(parse("sinceTime=1970-01-01T00:00:07Z").sinceMs, 7000);
  assert.equal(parse("stream=Stderr").stream, "stderr");
});

test("parseLogOptions refuses what cannot be read with 400, what makes no sense with 422", () => {
  for (const query of ["tailLines=x", "limitBytes=1.5", "sinceTime=yesterday"]) {
    assert.throws(() => parse(query), { status: 400 }, query);
  }
  const senseless = [
    "tailLines=-1",
    "limitBytes=0",
    "sinceSeconds=0",
    "stream=stdout",
    "stream=Stdout&tailLines=1",
    "sinceSeconds=1&sinceTime=1970-01-01T00:00:07Z",
  ];
  for (const query of senseless) assert.throws(() => parse(query), { status: 422 }, query);
});

function choose(states: readonly RuntimeContainer["state"][], waiting: string | undefined, previous: boolean) {
  const containers = states.map((state, index) => ({ name: "app", state, id: `c${states.length - index}` }));
  const runtime = { uid: "u", namespace: "default", name: "web", sandboxes: [], containers };
  const state = waiting ? { waiting: { reason: waiting } } : {};
  const pod = { metadata: { name: "web" }, status: { containerStatuses: [{ name: "app", state }] } };
  return chooseLogContainer(pod as Pod, runtime as unknown as Parameters<typeof chooseLogContainer>[1], "app", previous)
    .id;
}

test("chooseLogContainer takes the newest that has started, and for the previous the one before", () => {
  assert.equal(choose(["running", "exited"], undefined, false), "c2");
  assert.equal(choose(["created", "exited"], "ContainerCreating", false), "c1");
  assert.equal(choose(["running", "exited"], undefined, true), "c1");
  assert.equal(choose(["exited", "exited"], "CrashLoopBackOff", true), "c2");
});

test("chooseLogContainer says why there is no log", () => {
  const refusal = (message: string) => ({ status: 400, message });
  const waiting = 'container "app" in pod "web" is waiting to start: ';
  assert.throws(() => choose([], "ContainerCreating", false), refusal(`${waiting}ContainerCreating`));
  assert.throws(() => choose([], "ErrImagePull", false), refusal(`${waiting}image can't be pulled`));
  const none = 'previous terminated container "app" in pod "web" not found';
  assert.throws(() => choose(["running"], undefined, true), refusal(none));
});
