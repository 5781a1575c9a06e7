// Counting, combining and dropping of events, and a server that is away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, alreadyExists, notFound } from "@skiff/api/errors.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { CoreV1Event } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { ConnectionError } from "./connection-error.ts";
import { EventRecorder } from "./event-recorder.ts";
import type { RestClient } from "./rest-client.ts";
import { settle } from "./testing/settle.ts";
import type { TokenBucketOptions } from "./token-bucket.ts";

function make(name = "web", rate?: TokenBucketOptions) {
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const created: CoreV1Event[] = [];
  const patches: { name: string; body: unknown }[] = [];
  const fail: Error[] = [];
  const tried: (string | undefined)[] = [];
  const api = {
    create: async (_namespace: string, event: CoreV1Event) => {
      tried.push(event.metadata.name);
      const error = fail.shift();
      if (error) throw error;
      created.push(event);
      return event;
    },
    patch: async (_namespace: string, name: string, _type: string, body: unknown) => {
      const error = fail.shift();
      if (error) throw error;
      patches.push({ name, body });
      return {};
    },
  };
  const client = { of: () => api } as unknown as Pick<RestClient, "of">;
  const deps = { clock, log: silentLogger() };
  const recorder = new EventRecorder(client, { component: "kubelet", host: "n1" }, deps, rate);
  const object = { metadata: { name, namespace: "a", uid: "u", resourceVersion: "1", creationTimestamp: "" } };
  const record = async (message: string, reason = "Failed") => {
    recorder.record({ ref: pods, object }, "Warning", reason, message);
    await recorder.flush();
  };
  return { clock, created, patches, fail, tried, record, recorder };
}

test("event recorder writes an event, then counts its repetitions on it", async () => {
  const { clock, created, patches, record } = make();
  await record("no image");
  await clock.advance(5000);
  await record("no image");
  const [event] = created;
  assert.match(event?.metadata.name ?? "", /^web\.[0-9a-f]{16}$/);
  assert.equal(event?.involvedObject.kind, "Pod");
  assert.equal(event?.count, 1);
  assert.deepEqual(event?.source, { component: "kubelet", host: "n1" });
  const body = { count: 2, lastTimestamp: "2026-01-02T03:04:10Z", message: "no image" };
  assert.deepEqual(patches, [{ name: event?.metadata.name, body }]);
});

test("event recorder with a rate lets a burst through, and the rest as time goes on", async () => {
  const { clock, created, recorder } = make("web", { perSecond: 2, burst: 3 });
  const object = { metadata: { name: "web", namespace: "a", uid: "u", resourceVersion: "1", creationTimestamp: "" } };
  for (let i = 0; i < 5; i++) recorder.record({ ref: pods, object }, "Normal", `Reason${i}`, "x");
  await settle();
  assert.equal(created.length, 3);
  await clock.advance(500);
  assert.equal(created.length, 4);
  await clock.advance(500);
  assert.equal(created.length, 5);
});

test("event recorder gives an event a name that the server takes, however long the object's is", async () => {
  const { created, record } = make("n".repeat(253));
  await record("no image");
  assert.match(created[0]?.metadata.name ?? "", /^[0-9a-f-]{36}$/);
});

test("event recorder combines the tenth and later similar events", async () => {
  const { created, patches, record } = make();
  for (let i = 1; i <= 12; i++) await record(`message ${i}`);
  assert.equal(created.length, 10);
  assert.equal(created[9]?.message, "(combined from similar events): message 10");
  assert.deepEqual(
    patches.map(({ body }) => (body as CoreV1Event).message),
    ["(combined from similar events): message 11", "(combined from similar events): message 12"],
  );
});

test("event recorder repeats a write whose answer was lost under the same name, and counts on from it", async () => {
  const { clock, fail, tried, patches, record } = make();
  const events = { group: "", plural: "events" };
  fail.push(new ConnectionError("reset", "ECONNRESET"), alreadyExists(events, "web.1"));
  const sent = record("x");
  await settle();
  await clock.advance(1000);
  await sent;
  assert.equal(tried.length, 2);
  assert.equal(tried[0], tried[1]);
  await record("x");
  assert.deepEqual(
    patches.map(({ name }) => name),
    [tried[0]],
  );
});

test("event recorder drops what an object says beyond 25 at once and one per five minutes", async () => {
  const { clock, created, patches, record } = make();
  for (let i = 0; i < 40; i++) await record("again");
  assert.equal(created.length + patches.length, 25);
  await clock.advance(300_000);
  await record("again");
  await record("again");
  assert.equal(created.length + patches.length, 26);
});

test("event recorder starts anew when the server forgot the event, tries on without a server, drops what is refused", async () => {
  const { clock, created, fail, record, recorder } = make();
  await record("x");
  fail.push(notFound({ group: "", plural: "events" }, "web.1"));
  await record("x");
  assert.equal(created.length, 2);
  fail.push(new ConnectionError("refused", "ECONNREFUSED"));
  const sent = record("y");
  await settle();
  await clock.advance(1000);
  await sent;
  assert.equal(created.length, 3);
  fail.push(new ApiError(403, "Forbidden", "namespace is being terminated"));
  await record("z");
  assert.equal(created.length, 3);
  await recorder[Symbol.asyncDispose]();
});

test("event recorder lets work go first, but not for ever, and not when the program stops", async () => {
  const { clock, created, record, recorder } = make();
  let busy = true;
  recorder.isBusy = () => busy;
  const done = record("first");
  await clock.advance(1000);
  assert.equal(created.length, 0);
  busy = false;
  await clock.advance(100);
  await done;
  assert.equal(created.length, 1);
  busy = true;
  const late = record("second", "Late");
  await clock.advance(2900);
  assert.equal(created.length, 1);
  await clock.advance(100);
  await late;
  assert.equal(created.length, 2, "the event waited for longer than it may");
  const last = record("third", "Last");
  const stopped = recorder[Symbol.asyncDispose]();
  await clock.advance(100);
  await Promise.all([last, stopped]);
  assert.equal(created.length, 3);
});

test("event recorder writes annotations onto the event itself", async () => {
  const { created, recorder } = make();
  const subject = { kind: "Pod", apiVersion: "v1", name: "web", namespace: "a", uid: "u" };
  recorder.record(subject, "Warning", "Evicted", "no room", { starved_resource: "memory" });
  await recorder.flush();
  assert.deepEqual(created[0]?.metadata.annotations, { starved_resource: "memory" });
});
