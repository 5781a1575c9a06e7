// Ownership as upstream's documentation tells it: transfer, conflict, sharing, lists of all kinds, pruning.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../errors.ts";
import { findKind } from "../kinds/index.ts";
import type { KubeObject } from "../object.ts";
import { applyConfig } from "./apply-config.ts";
import { recordUpdate } from "./record-update.ts";
import { trackingOf } from "./tracking.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every shape.
type Loose = any;

/** One object and its writers, without a server. */
class Bench {
  live: Loose;
  private readonly kind;
  private clock = 0;

  constructor(group: string, plural: string) {
    const kind = findKind(group, plural);
    assert.ok(kind);
    this.kind = kind;
  }

  private now(): string {
    return `2026-01-01T00:00:${String(this.clock++).padStart(2, "0")}Z`;
  }

  apply(manager: string, config: object, options: { force?: boolean; subresource?: string } = {}): this {
    const { force = false, subresource = "" } = options;
    const request = { config: config as Record<string, unknown>, manager, force, now: this.now() };
    const { object, managedFields } = applyConfig(trackingOf(this.kind, subresource), this.live, request);
    this.live = structuredClone({ ...object, metadata: { ...object.metadata, uid: "u", managedFields } });
    return this;
  }

  update(manager: string, next: object, subresource = ""): this {
    const object = structuredClone(next) as Loose;
    object.metadata ??= {};
    const entries = recordUpdate(
      trackingOf(this.kind, subresource),
      this.live,
      object as KubeObject,
      manager,
      this.now(),
    );
    this.live = structuredClone({ ...object, metadata: { ...object.metadata, uid: "u", managedFields: entries } });
    return this;
  }

  edit(manager: string, change: (object: Loose) => void, subresource = ""): this {
    const next = structuredClone(this.live);
    change(next);
    return this.update(manager, next, subresource);
  }

  fields(manager: string, subresource?: string): Loose {
    return this.entries().find((e: Loose) => e.manager === manager && e.subresource === subresource)?.fieldsV1;
  }

  entries(): Loose[] {
    return this.live.metadata.managedFields ?? [];
  }
}

const TYPE = { apiVersion: "v1", kind: "ConfigMap" };
const map = (data: object, metadata: object = {}) => ({ ...TYPE, metadata: { name: "c", ...metadata }, data });

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ApiError);
    return error.message;
  }
  return assert.fail("was not refused");
}

test("apply owns what it names; an update takes a field over; the next apply of it conflicts unless forced", () => {
  const bench = new Bench("", "configmaps").apply("kubectl", map({ key: "some value" }, { labels: { l: "1" } }));
  assert.deepEqual(bench.fields("kubectl"), { "f:data": { "f:key": {} }, "f:metadata": { "f:labels": { "f:l": {} } } });
  bench.edit("kube-controller-manager", (o) => {
    o.data.key = "new value";
  });
  assert.deepEqual(bench.fields("kubectl"), { "f:metadata": { "f:labels": { "f:l": {} } } });
  assert.deepEqual(bench.fields("kube-controller-manager"), { "f:data": { "f:key": {} } });
  const again = () => bench.apply("kubectl", map({ key: "some value" }, { labels: { l: "1" } }));
  assert.equal(
    messageOf(again),
    'Apply failed with 1 conflict: conflict with "kube-controller-manager" using v1: .data.key',
  );
  bench.apply("kubectl", map({ key: "some value" }), { force: true });
  assert.equal(bench.live.data.key, "some value");
  assert.equal(bench.fields("kube-controller-manager"), undefined);
  // The label was given up and nobody else wants it.
  assert.equal(bench.live.metadata.labels, undefined);
});

test("several conflicts are told by manager, with one cause each", () => {
  const bench = new Bench("", "configmaps").apply("a", map({ x: "1" })).apply("b", map({ y: "1", z: "1" }));
  assert.throws(
    () => bench.apply("c", map({ x: "2", y: "2", z: "2" })),
    (error: ApiError) => {
      assert.equal(error.code, 409);
      assert.equal(
        error.message,
        'Apply failed with 3 conflicts: conflicts with "a":\n- .data.x\nconflicts with "b":\n- .data.y\n- .data.z',
      );
      assert.deepEqual(error.details?.causes?.[0], {
        reason: "FieldManagerConflict",
        message: 'conflict with "a"',
        field: ".data.x",
      });
      return true;
    },
  );
});

test("the same value is shared without conflict, and goes only when the last owner gives it up", () => {
  const bench = new Bench("", "configmaps").apply("a", map({ x: "1", own: "a" })).apply("b", map({ x: "1" }));
  assert.deepEqual(bench.fields("a"), { "f:data": { "f:own": {}, "f:x": {} } });
  assert.deepEqual(bench.fields("b"), { "f:data": { "f:x": {} } });
  bench.apply("a", map({ own: "a" }));
  assert.deepEqual(bench.live.data, { own: "a", x: "1" });
  bench.apply("b", map({}));
  assert.deepEqual(bench.live.data, { own: "a" });
});

const deployment = (containers: object[], spec: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "d" },
  spec: { ...spec, template: { spec: { containers } } },
});

test("items of keyed lists are merged in order, owned one by one, and removed alone", () => {
  const bench = new Bench("apps", "deployments");
  bench.apply(
    "a",
    deployment(
      [
        { name: "one", image: "1" },
        { name: "two", image: "2" },
      ],
      { replicas: 3 },
    ),
  );
  bench.apply(
    "b",
    deployment([
      { name: "zero", image: "0" },
      { name: "two", imagePullPolicy: "Always" },
    ]),
  );
  const { containers } = bench.live.spec.template.spec;
  assert.deepEqual(containers, [
    { name: "one", image: "1" },
    { name: "zero", image: "0" },
    { name: "two", image: "2", imagePullPolicy: "Always" },
  ]);
  assert.deepEqual(bench.fields("b")["f:spec"]["f:template"]["f:spec"]["f:containers"], {
    'k:{"name":"two"}': { ".": {}, "f:imagePullPolicy": {}, "f:name": {} },
    'k:{"name":"zero"}': { ".": {}, "f:image": {}, "f:name": {} },
  });
  bench.apply("a", deployment([{ name: "one", image: "1" }], { replicas: 3 }));
  assert.deepEqual(bench.live.spec.template.spec.containers, [
    { name: "one", image: "1" },
    { name: "zero", image: "0" },
    { name: "two", imagePullPolicy: "Always" },
  ]);
});

test("ports are keyed with TCP where nothing is said, so that one number may serve two protocols", () => {
  const container = (ports: object[]) => deployment([{ name: "c", image: "i", ports }]);
  const bench = new Bench("apps", "deployments").apply("a", container([{ containerPort: 80 }]));
  bench.apply("b", container([{ containerPort: 80, protocol: "UDP" }]));
  const { ports } = bench.live.spec.template.spec.containers[0];
  assert.equal(ports.length, 2);
  const owned = bench.fields("a")["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"c"}'];
  assert.deepEqual(Object.keys(owned["f:ports"]), ['k:{"containerPort":80,"protocol":"TCP"}']);
});

test("items of sets are owned by value, and atomic lists and maps as a whole", () => {
  const bench = new Bench("", "configmaps").apply("a", map({}, { finalizers: ["x.y/a"] }));
  bench.apply("b", map({}, { finalizers: ["x.y/b"] }));
  assert.deepEqual(bench.live.metadata.finalizers, ["x.y/a", "x.y/b"]);
  assert.deepEqual(bench.fields("b")["f:metadata"]["f:finalizers"], { 'v:"x.y/b"': {} });
  bench.apply("a", map({}));
  assert.deepEqual(bench.live.metadata.finalizers, ["x.y/b"]);

  const services = new Bench("", "services");
  const service = (selector: object) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s" },
    spec: { selector },
  });
  services.apply("a", service({ app: "x" }));
  assert.deepEqual(services.fields("a"), { "f:spec": { "f:selector": {} } });
  assert.match(
    messageOf(() => services.apply("b", service({ tier: "y" }))),
    /conflict with "a": \.spec\.selector$/,
  );
  services.apply("b", service({ tier: "y" }), { force: true });
  assert.deepEqual(services.live.spec.selector, { tier: "y" });
});

test("an update owns new maps and items with everything in them, as kubectl create shows it", () => {
  const bench = new Bench("apps", "deployments").update("kubectl-create", {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d", namespace: "n", creationTimestamp: null, labels: { app: "d" } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: "d" } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%" } },
      template: {
        metadata: { labels: { app: "d" } },
        spec: { containers: [{ name: "c", image: "i", resources: {} }], restartPolicy: "Always" },
      },
    },
    status: {},
  });
  assert.deepEqual(bench.fields("kubectl-create"), {
    "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
    "f:spec": {
      "f:replicas": {},
      "f:selector": {},
      "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} }, "f:type": {} },
      "f:template": {
        "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
        "f:spec": {
          "f:containers": { 'k:{"name":"c"}': { ".": {}, "f:image": {}, "f:name": {}, "f:resources": {} } },
          "f:restartPolicy": {},
        },
      },
    },
  });
});

test("status and spec are owned apart, by the subresource they were written through", () => {
  const bench = new Bench("apps", "deployments").apply("a", {
    ...deployment([{ name: "c", image: "i" }]),
    status: { replicas: 9 },
  });
  assert.deepEqual(Object.keys(bench.fields("a")), ["f:spec"]);
  const change = (o: Loose) => {
    o.status = { replicas: 1 };
    o.spec.replicas = 7;
  };
  bench.edit("manager", change, "status");
  assert.deepEqual(bench.fields("manager", "status"), { "f:status": { "f:replicas": {} } });
  const config = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, status: { replicas: 2 } };
  assert.match(
    messageOf(() => bench.apply("other", config, { subresource: "status" })),
    /conflict with "manager" with subresource "status" using apps\/v1: \.status\.replicas$/,
  );
});

test("an object without owners belongs to before-first-apply once it is applied; [{}] ends tracking until then", () => {
  const bench = new Bench("", "configmaps").update("creator", map({ x: "1", y: "1" }));
  bench.edit("creator", (o) => {
    o.metadata.managedFields = [];
  });
  assert.equal(bench.entries().length, 1);
  bench.edit("creator", (o) => {
    o.metadata.managedFields = [{}];
  });
  assert.deepEqual(bench.entries(), []);
  bench.edit("creator", (o) => {
    o.data.x = "2";
  });
  assert.deepEqual(bench.entries(), []);
  bench.apply("a", map({ x: "2" }));
  assert.deepEqual(bench.fields("before-first-apply"), { "f:data": { ".": {}, "f:x": {}, "f:y": {} } });
  assert.deepEqual(
    bench.entries().map((e) => e.operation),
    ["Apply", "Update"],
  );
});

test("kubectl takes over from its client-side apply, but not from others", () => {
  const lastApplied = (config: object) => ({
    "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(config),
  });
  const config = map({ x: "1" });
  const bench = new Bench("", "configmaps").update(
    "kubectl-client-side-apply",
    map({ x: "1", y: "1" }, { annotations: lastApplied(config) }),
  );
  assert.match(
    messageOf(() => bench.apply("someone", map({ x: "2" }))),
    /1 conflict/,
  );
  assert.match(
    messageOf(() => bench.apply("kubectl", map({ x: "2", y: "2" }))),
    /1 conflict.*\.data\.y$/,
  );
  bench.apply("kubectl", map({ x: "2" }));
  assert.equal(bench.live.data.x, "2");
  const annotation = bench.live.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"];
  assert.deepEqual(JSON.parse(annotation).data, { x: "2" });
});

test("an update that changes nothing returns the very same entries; removal leaves the time alone", () => {
  const bench = new Bench("", "configmaps").update("a", map({ x: "1", y: "1" }));
  const { managedFields } = bench.live.metadata;
  const kind = findKind("", "configmaps");
  assert.ok(kind);
  assert.equal(recordUpdate(trackingOf(kind, ""), bench.live, bench.live, "b", "2030-01-01T00:00:00Z"), managedFields);
  const { time } = managedFields[0];
  bench.edit("b", (o) => {
    delete o.data.y;
  });
  assert.deepEqual(
    bench.entries().map((e) => [e.manager, e.time]),
    [["a", time]],
  );
  assert.deepEqual(bench.fields("a"), { "f:data": { ".": {}, "f:x": {} } });
});

test("an apply that changes nothing keeps its time, and has none where it is its owner's first", () => {
  const bench = new Bench("", "configmaps").apply("a", map({ x: "1" }));
  const [{ time }] = bench.entries() as [Loose];
  bench.apply("a", map({ x: "1" })).apply("b", map({ x: "1" }));
  assert.deepEqual(
    bench.entries().map((e) => [e.manager, e.time]),
    [
      ["b", undefined],
      ["a", time],
    ],
  );
});

test("the oldest of more than ten updaters are merged as ancient-changes", () => {
  const bench = new Bench("", "configmaps").update("m00", map({ k00: "1" }));
  for (let i = 1; i < 13; i++) {
    const name = String(i).padStart(2, "0");
    bench.edit(`m${name}`, (o) => {
      o.data[`k${name}`] = "1";
    });
  }
  const managers = bench.entries().map((e) => e.manager);
  assert.equal(managers.length, 10);
  assert.equal(managers[0], "ancient-changes");
  assert.deepEqual(bench.fields("ancient-changes"), {
    "f:data": { ".": {}, "f:k00": {}, "f:k01": {}, "f:k02": {}, "f:k03": {} },
  });
});

test("managedFields in a configuration are refused", () => {
  const work = () => new Bench("", "configmaps").apply("a", map({}, { managedFields: [] }));
  assert.equal(messageOf(work), "metadata.managedFields must be nil");
});

test("applying an empty object again removes nothing of the live one that others wrote or nobody owns", () => {
  const config = (securityContext: object) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: { securityContext, containers: [{ name: "c", image: "i" }] },
  });
  const bench = new Bench("", "pods").apply("me", config({}));
  // As admission does it: nobody is recorded.
  bench.live.spec.securityContext = { runAsUser: 5 };
  bench.apply("me", config({}));
  assert.deepEqual(bench.live.spec.securityContext, { runAsUser: 5 });
  bench.edit("other", (o) => {
    o.spec.securityContext.runAsGroup = 6;
  });
  bench.apply("me", config({}));
  assert.deepEqual(bench.live.spec.securityContext, { runAsUser: 5, runAsGroup: 6 });
  bench.apply("me", config({ runAsNonRoot: true })).apply("me", config({}));
  assert.deepEqual(bench.live.spec.securityContext, { runAsUser: 5, runAsGroup: 6 });
});
