import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "@skiff/api/errors.ts";
import type { Pod } from "@skiff/api/types.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { samplePod } from "../testing/sample-pods.ts";
import { StatusManager } from "./status-manager.ts";

/** An API with one pod, whose next writes may be told to fail. */
class OnePodApi {
  pod: Pod = samplePod({}, { resourceVersion: "1" });
  readonly bodies: { metadata: { uid: string }; status: object }[] = [];
  readonly failures: ApiError[] = [];
  deleted: unknown;

  async patch(_namespace: string, _name: string, _type: string, body: unknown): Promise<Pod> {
    const failure = this.failures.shift();
    if (failure) throw failure;
    const { metadata, status } = body as { metadata: { uid: string }; status: object };
    this.bodies.push({ metadata, status });
    const resourceVersion = String(Number(this.pod.metadata.resourceVersion) + 1);
    const next = { ...this.pod.status, ...status };
    this.pod = { ...this.pod, metadata: { ...this.pod.metadata, resourceVersion }, status: next };
    return this.pod;
  }

  async delete(_namespace: string, _name: string, query: unknown): Promise<void> {
    this.deleted = query;
  }
}

function setUp(isBusy = () => false) {
  const api = new OnePodApi();
  const clock = new FakeClock();
  const stop = new AbortController();
  const manager = new StatusManager({ client: api, isBusy, clock, log: silentLogger() }, stop.signal);
  return { api, clock, manager, uid: api.pod.metadata.uid ?? "" };
}

test("StatusManager writes the newest status only, guarded by the UID", async () => {
  const { api, manager, uid } = setUp();
  manager.set(api.pod, { phase: "Pending" });
  manager.set(api.pod, { phase: "Running" });
  await manager.flush(uid);
  assert.deepEqual(api.bodies.at(-1), { metadata: { uid }, status: { phase: "Running" } });
  manager.set(api.pod, { phase: "Running" });
  await manager.flush(uid);
  assert.ok(api.bodies.length <= 2, "an unchanged status was written");
});

test("StatusManager lets a status that only says Pending wait while pods start, three seconds at most", async () => {
  let busy = true;
  const { api, clock, manager } = setUp(() => busy);
  manager.set(api.pod, { phase: "Pending", message: "one" });
  await clock.advance(2000);
  assert.equal(api.bodies.length, 0);
  await clock.advance(1000);
  assert.equal(api.bodies.length, 1, "after three seconds it is written, whatever goes on");
  manager.set(api.pod, { phase: "Pending", message: "two" });
  await clock.advance(1000);
  busy = false;
  await clock.advance(1000);
  assert.equal(api.bodies.length, 2);
  busy = true;
  manager.set(api.pod, { phase: "Running" });
  await clock.advance(0);
  assert.equal(api.bodies.length, 3, "news never waits");
});

test("StatusManager tries again after a failure, and not when the pod is gone", async () => {
  const { api, clock, manager, uid } = setUp();
  api.failures.push(new ApiError(500, "InternalError", "no"));
  manager.set(api.pod, { phase: "Running" });
  await clock.advance(0);
  await clock.advance(1000);
  await manager.flush(uid);
  assert.equal(api.bodies.length, 1);
  api.failures.push(new ApiError(404, "NotFound", "gone"));
  manager.set(api.pod, { phase: "Failed" });
  await manager.flush(uid);
  assert.equal(api.bodies.length, 1);
});

test("StatusManager repairs a status that somebody else overwrote", async () => {
  const { api, manager, uid } = setUp();
  manager.set(api.pod, { phase: "Running" });
  await manager.flush(uid);
  api.pod = { ...api.pod, metadata: { ...api.pod.metadata, resourceVersion: "9" }, status: { phase: "Pending" } };
  manager.observe(api.pod);
  await manager.flush(uid);
  assert.equal(api.pod.status?.phase, "Running");
});

test("StatusManager's last delete carries the UID and no grace", async () => {
  const { api, manager, uid } = setUp();
  await manager.finalize(api.pod);
  assert.deepEqual(api.deleted, { gracePeriodSeconds: 0, uid });
});

test("StatusManager sends what is set while a write is under way, though the watch tells of that write first", async () => {
  const { api, manager, uid } = setUp();
  const patch = api.patch.bind(api);
  api.patch = async (...args) => {
    const updated = await patch(...args);
    manager.observe(updated);
    if (api.bodies.length === 1) manager.set(updated, { phase: "Failed" });
    return updated;
  };
  manager.set(api.pod, { phase: "Running" });
  await manager.flush(uid);
  assert.equal(api.pod.status?.phase, "Failed");
});

test("StatusManager gives up on a status that the API does not keep", async () => {
  const { api, manager, uid } = setUp();
  api.patch = async (_namespace, _name, _type, body) => {
    api.bodies.push(body as (typeof api.bodies)[number]);
    return api.pod;
  };
  manager.set(api.pod, { phase: "Running" });
  await manager.flush(uid);
  assert.equal(api.bodies.length, 1);
});

test("StatusManager writes a static pod's status to its mirror, and again to the mirror's successor", async () => {
  const { api, manager } = setUp();
  const pod = samplePod({}, { uid: "hash", annotations: { "kubernetes.io/config.source": "file" } });
  manager.set(pod, { phase: "Running" });
  await manager.flush("hash");
  assert.equal(api.bodies.length, 0, "there is no mirror yet");
  const mirror = (uid: string) => samplePod({}, { uid, resourceVersion: "5" });
  for (const uid of ["m1", "m2"]) {
    api.pod = mirror(uid);
    manager.observeMirror("hash", mirror(uid));
    await manager.flush("hash");
    assert.deepEqual(api.bodies.at(-1), { metadata: { uid }, status: { phase: "Running" } });
    manager.observeMirror("hash", undefined);
  }
});
