// How endpoints are laid out in slices, and how few writes that takes.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from "@skiff/api/types.ts";
import { planSlices } from "./plan-slices.ts";

const PORTS: DiscoveryV1EndpointPort[] = [{ name: "http", port: 80, protocol: "TCP" }];
const never = () => false;

function endpoint(name: string, ready = true): Endpoint {
  return { addresses: [`10.0.0.${name.length}`], conditions: { ready }, targetRef: { kind: "Pod", name, uid: name } };
}

function slice(name: string, endpoints: Endpoint[], ports = PORTS): EndpointSlice {
  return {
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "" },
    addressType: "IPv4",
    endpoints,
    ports,
  };
}

const many = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => endpoint(`${prefix}${i}`));
const group = (endpoints: Endpoint[], ports = PORTS) => [{ ports, endpoints }];

test("planSlices splits many endpoints into slices of the maximum", () => {
  const { write, remove } = planSlices(group(many("p", 250)), [], 100, never);
  assert.deepEqual(
    write.map((w) => w.endpoints.length),
    [100, 100, 50],
  );
  assert.deepEqual(remove, []);
});

test("planSlices writes nothing when nothing changed", () => {
  const existing = [slice("a", many("p", 3))];
  assert.deepEqual(planSlices(group(many("p", 3)), existing, 100, never), { write: [], remove: [] });
  assert.equal(planSlices(group(many("p", 3)), existing, 100, () => true).write.length, 1);
});

test("planSlices refreshes and drops endpoints in place, and fills a slice that is written anyway", () => {
  const existing = [slice("full", many("f", 4)), slice("other", [endpoint("x"), endpoint("gone")])];
  const wanted = [...many("f", 4), endpoint("x", false), endpoint("new")];
  const { write, remove } = planSlices(group(wanted), existing, 4, never);
  assert.deepEqual(remove, []);
  assert.equal(write.length, 1);
  assert.equal(write[0]?.slice?.metadata.name, "other");
  assert.deepEqual(
    write[0]?.endpoints.map(({ targetRef, conditions }) => [targetRef?.name, conditions?.ready]),
    [
      ["x", false],
      ["new", true],
    ],
  );
});

test("planSlices adds a few endpoints to the fullest slice with room for all of them", () => {
  const existing = [slice("roomy", many("a", 1)), slice("fuller", many("b", 3)), slice("full", many("c", 5))];
  const wanted = [...many("a", 1), ...many("b", 3), ...many("c", 5), endpoint("n1"), endpoint("n2")];
  const { write } = planSlices(group(wanted), existing, 5, never);
  assert.deepEqual(
    write.map((w) => [w.slice?.metadata.name, w.endpoints.length]),
    [["fuller", 5]],
  );
});

test("planSlices writes a new set of ports over slices of an old one", () => {
  const moved = [{ name: "http", port: 8080, protocol: "TCP" }];
  const { write, remove } = planSlices(
    group(many("p", 2), moved),
    [slice("a", many("p", 2)), slice("b", many("q", 1))],
    100,
    never,
  );
  assert.deepEqual([write.length, write[0]?.slice?.metadata.name, write[0]?.ports], [1, "a", moved]);
  assert.deepEqual(
    remove.map(({ metadata }) => metadata.name),
    ["b"],
  );
});

test("planSlices keeps one empty slice when no endpoint is left", () => {
  assert.deepEqual(planSlices([], [], 100, never).write, [{ ports: [], endpoints: [] }]);
  const emptied = planSlices([], [slice("a", many("p", 2)), slice("b", many("q", 1))], 100, never);
  assert.deepEqual([emptied.write[0]?.slice?.metadata.name, emptied.remove.length], ["a", 1]);
  assert.deepEqual(planSlices([], [slice("a", [], [])], 100, never), { write: [], remove: [] });
});

test("planSlices takes an endpoint that lies in two slices out of one", () => {
  const { write, remove } = planSlices(
    group([endpoint("p"), endpoint("q")]),
    [slice("a", [endpoint("p"), endpoint("q")]), slice("b", [endpoint("p")])],
    100,
    never,
  );
  assert.deepEqual([write.length, remove.map(({ metadata }) => metadata.name)], [0, ["b"]]);
});
