// What a pod looks like as an endpoint.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod, Service, ServiceSpec } from "@skiff/api/types.ts";
import { addressTypesOf, buildEndpointGroups } from "./build-endpoints.ts";

const metadata = (name: string) => ({ name, namespace: "ns", uid: name, resourceVersion: "1", creationTimestamp: "" });
const node: Node = { metadata: { ...metadata("n1"), labels: { "topology.kubernetes.io/zone": "z" } }, spec: {} };
const nodeOf = (name: string) => (name === "n1" ? node : undefined);

function service(spec: Partial<ServiceSpec> = {}): Service {
  return {
    metadata: metadata("web"),
    spec: { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80, targetPort: "web", protocol: "TCP" }], ...spec },
  };
}

interface PodSketch {
  ready?: boolean;
  leaving?: boolean;
  phase?: string;
  port?: number;
  node?: string;
  ips?: string[];
}

function pod(
  name: string,
  { ready = true, leaving, phase = "Running", port = 8080, node: nodeName = "n1", ips = ["10.0.0.1"] }: PodSketch = {},
): Pod {
  return {
    metadata: { ...metadata(name), ...(leaving ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}) },
    spec: {
      nodeName,
      hostname: "h",
      subdomain: "web",
      containers: [{ name: "c", ports: [{ name: "web", containerPort: port, protocol: "TCP" }] }],
    },
    status: {
      phase,
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

const build = (svc: Service, pods: Pod[], type: "IPv4" | "IPv6" = "IPv4") =>
  buildEndpointGroups(svc, pods, type, nodeOf);

test("buildEndpointGroups shows address, node, zone, host name and the pod itself", () => {
  const { groups } = build(service(), [pod("p")]);
  assert.deepEqual(groups, [
    {
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [
        {
          addresses: ["10.0.0.1"],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: "h",
          nodeName: "n1",
          targetRef: { kind: "Pod", namespace: "ns", name: "p", uid: "p" },
          zone: "z",
        },
      ],
    },
  ]);
});

test("buildEndpointGroups keeps serving apart from ready while a pod leaves", () => {
  const conditionsOf = (svc: Service, sketch: PodSketch) =>
    build(svc, [pod("p", sketch)]).groups[0]?.endpoints[0]?.conditions;
  assert.deepEqual(conditionsOf(service(), { leaving: true }), { ready: false, serving: true, terminating: true });
  assert.deepEqual(conditionsOf(service(), { ready: false }), { ready: false, serving: false, terminating: false });
  const all = service({ publishNotReadyAddresses: true });
  assert.deepEqual(conditionsOf(all, { ready: false, leaving: true }), {
    ready: true,
    serving: false,
    terminating: true,
  });
});

test("buildEndpointGroups leaves out pods that ended, have no address, or whose node is unknown", () => {
  const pods = [
    pod("ended", { phase: "Succeeded" }),
    pod("new", { ips: [] }),
    pod("lost", { node: "n2" }),
    pod("v6", { ips: ["fd00::1"] }),
  ];
  const { groups, missingNodes } = build(service(), pods);
  assert.deepEqual([groups, missingNodes], [[], ["n2"]]);
  assert.equal(build(service(), pods, "IPv6").groups[0]?.endpoints[0]?.targetRef?.name, "v6");
});

test("buildEndpointGroups groups pods by what a named port is on them", () => {
  const { groups } = build(service(), [pod("a"), pod("b", { port: 9090 }), pod("c")]);
  assert.deepEqual(
    groups.map(({ ports, endpoints }) => [ports[0]?.port, endpoints.length]),
    [
      [8080, 2],
      [9090, 1],
    ],
  );
});

test("buildEndpointGroups serves a headless Service without ports, and gives zone hints when asked", () => {
  const headless = service({ clusterIP: "None", ports: [] });
  assert.deepEqual(build(headless, [pod("p")]).groups[0]?.ports, []);
  const close = build(service({ trafficDistribution: "PreferClose" }), [pod("p"), pod("q", { ready: false })])
    .groups[0];
  assert.deepEqual(
    close?.endpoints.map(({ hints }) => hints),
    [{ forZones: [{ name: "z" }] }, undefined],
  );
});

test("addressTypesOf follows the Service's families, then its address", () => {
  assert.deepEqual(addressTypesOf(service({ ipFamilies: ["IPv6", "IPv4"] })), ["IPv6", "IPv4"]);
  assert.deepEqual(addressTypesOf(service({ clusterIP: "fd00::1" })), ["IPv6"]);
  assert.deepEqual(addressTypesOf(service({ clusterIP: "None" })), ["IPv4", "IPv6"]);
});
