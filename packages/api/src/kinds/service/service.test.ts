// A Service's defaults, checks, updates and columns.
import assert from "node:assert/strict";
import { test } from "node:test";
import { created, judgeNew, judgeUpdate, updated } from "../judge.ts";
import { serviceKind } from "./service.ts";

const port = (extra: object = {}) => ({ port: 80, ...extra });
const service = (spec: object = {}) => ({ spec: { ports: [port()], ...spec } });

test("service defaults are upstream's", () => {
  const { spec, status } = created(serviceKind, service({ type: "LoadBalancer", sessionAffinity: "ClientIP" }));
  assert.deepEqual(spec, {
    ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    type: "LoadBalancer",
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    allocateLoadBalancerNodePorts: true,
  });
  assert.deepEqual(status, { loadBalancer: {} });
  const { spec: plain } = created(serviceKind, service({ sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }));
  assert.deepEqual(
    [plain?.type, plain?.sessionAffinityConfig, plain?.externalTrafficPolicy],
    ["ClusterIP", undefined, undefined],
  );
});

const BAD: readonly (readonly [object, ...string[]])[] = [
  [{ spec: {} }, "spec.ports: Required value"],
  [
    service({ ports: [port(), port({ port: 81 })] }),
    "spec.ports[0].name: Required value",
    "spec.ports[1].name: Required value",
  ],
  [
    service({ ports: [port({ name: "a" }), port({ name: "a" })] }),
    'spec.ports[1].name: Duplicate value: "a"',
    'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
  ],
  [
    service({ ports: [port({ protocol: "ICMP", targetPort: "A" })] }),
    'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    'spec.ports[0].targetPort: Invalid value: "A": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    'spec.ports[0].targetPort: Invalid value: "A": must contain at least one letter (a-z)',
  ],
  [
    service({ ports: [port({ nodePort: 30000 })] }),
    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
  [
    service({ type: "Magic" }),
    'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  [
    service({ type: "NodePort", clusterIP: "None" }),
    "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
  ],
  [
    service({ clusterIP: "10.96.0.300" }),
    'spec.clusterIPs[0]: Invalid value: "10.96.0.300": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [{ spec: { type: "ExternalName" } }, "spec.externalName: Required value"],
  [
    service({ externalIPs: ["127.0.0.1"] }),
    'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ],
  [
    { ...service(), metadata: { name: "1abc" } },
    `metadata.name: Invalid value: "1abc": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
  ],
];

test("service validation speaks upstream's words", () => {
  for (const good of [service(), { spec: { clusterIP: "None" } }, service({ externalIPs: ["192.0.2.1"] })]) {
    assert.deepEqual(judgeNew(serviceKind, good), []);
  }
  for (const [manifest, ...expected] of BAD) assert.deepEqual(judgeNew(serviceKind, manifest), expected);
});

test("service updates keep what was allocated and cannot change the address", () => {
  const ports = [port({ nodePort: 30080 })];
  const previous = created(serviceKind, service({ type: "NodePort", clusterIP: "10.0.0.1", ports }));
  const reapplied = updated(serviceKind, previous, (next) => {
    next.spec = { type: "NodePort", ports: [{ port: 80 }, { port: 81, name: "b" }] };
    Object.assign(next.spec.ports?.[0] ?? {}, { name: "a" });
  });
  assert.deepEqual(reapplied.errors, []);
  assert.deepEqual([reapplied.object.spec?.clusterIP, reapplied.object.spec?.clusterIPs], ["10.0.0.1", ["10.0.0.1"]]);
  assert.deepEqual(
    reapplied.object.spec?.ports?.map((p) => p.nodePort),
    [30080, undefined],
  );
  const moved = judgeUpdate(serviceKind, previous, (next) => {
    if (next.spec) next.spec.clusterIP = "10.0.0.2";
  });
  assert.deepEqual(moved, ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']);
});

test("service updates lose what the new type cannot have", () => {
  const previous = created(
    serviceKind,
    service({ type: "NodePort", clusterIP: "10.0.0.1", ports: [port({ nodePort: 30080 })] }),
  );
  const internal = updated(serviceKind, previous, (next) => {
    if (next.spec) next.spec.type = "ClusterIP";
  });
  assert.deepEqual(internal.errors, []);
  assert.equal(internal.object.spec?.ports?.[0]?.nodePort, undefined);
  assert.equal(internal.object.spec?.externalTrafficPolicy, undefined);
  const external = updated(serviceKind, previous, (next) => {
    next.spec = { ...next.spec, type: "ExternalName", externalName: "example.com" };
  });
  assert.deepEqual(external.errors, []);
  assert.equal(external.object.spec?.clusterIP, undefined);
});

test("service columns show ports and addresses", () => {
  const cells = (spec: object, ingress: object[] = []) => {
    const object = created(serviceKind, service(spec));
    object.status = { loadBalancer: { ingress } };
    return serviceKind.columns.map((column) => column.value(object, 0)).filter((_, i) => i !== 0 && i !== 5);
  };
  const ports = [port({ nodePort: 30080, name: "a" }), port({ port: 53, protocol: "UDP", name: "b" })];
  assert.deepEqual(cells({ type: "NodePort", clusterIP: "10.0.0.1", ports, selector: { b: "2", a: "1" } }), [
    "NodePort",
    "10.0.0.1",
    "<none>",
    "80:30080/TCP,53/UDP",
    "a=1,b=2",
  ]);
  assert.deepEqual(cells({ type: "LoadBalancer" })[2], "<pending>");
  assert.deepEqual(cells({ type: "LoadBalancer" }, [{ ip: "192.0.2.1" }])[2], "192.0.2.1");
});
