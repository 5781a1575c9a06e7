// Kinds that say what a namespace or a network may do: quotas, limits, policies, ingresses, priorities, autoscalers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { horizontalPodAutoscalerKind } from "./horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts";
import { ingressKind } from "./ingress/ingress.ts";
import { ipAddressKind } from "./ip-address.ts";
import { created, judgeNew, judgeUpdate } from "./judge.ts";
import { limitRangeKind } from "./limit-range.ts";
import { networkPolicyKind } from "./network-policy.ts";
import { priorityClassKind } from "./priority-class.ts";
import { resourceQuotaKind } from "./resource-quota/resource-quota.ts";
import { serviceCidrKind } from "./service-cidr.ts";

test("limit range: a maximum is the default limit, and that the default request", () => {
  const limits = (item: object) => ({ spec: { limits: [{ type: "Container", ...item }] } });
  const [item] = created(limitRangeKind, limits({ max: { cpu: "2" } })).spec?.limits ?? [];
  assert.deepEqual([item?.default, item?.defaultRequest], [{ cpu: "2" }, { cpu: "2" }]);
  assert.deepEqual(
    judgeNew(
      limitRangeKind,
      limits({ min: { cpu: "2" }, max: { cpu: "1" }, defaultRequest: { cpu: "2" }, default: { cpu: "2" } }),
    ),
    [
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1',
      'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
    ],
  );
  assert.deepEqual(judgeNew(limitRangeKind, { spec: { limits: [{ type: "Pod", default: { cpu: "1" } }] } }), [
    "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
  ]);
});

test("resource quota: known resources, whole counts, scopes that fit", () => {
  const judge = (spec: object) => judgeNew(resourceQuotaKind, { spec });
  assert.deepEqual(judge({ hard: { pods: "10", "requests.cpu": "100m", "count/jobs.batch": "3" } }), []);
  assert.deepEqual(judge({ hard: { things: "1" } }), [
    'spec.hard[things]: Invalid value: "things": must be a standard resource for quota',
  ]);
  assert.deepEqual(judge({ hard: { pods: "500m" } }), ['spec.hard[pods]: Invalid value: "500m": must be an integer']);
  assert.deepEqual(judge({ hard: { pods: "1" }, scopes: ["BestEffort", "NotBestEffort"] }), [
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
  ]);
  assert.deepEqual(judge({ hard: { services: "1" }, scopes: ["BestEffort"] }), [
    'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
  ]);
  const status = { hard: { pods: "5", "limits.cpu": "2" }, used: { pods: "1" } };
  const cells = resourceQuotaKind.columns.map((column) =>
    column.value({ ...created(resourceQuotaKind, {}), status }, 0),
  );
  assert.deepEqual(cells.slice(1, 3), ["pods: 1/5", "limits.cpu: 0/2"]);
});

test("network policy: ports, peers and what it speaks of", () => {
  const types = (spec: object) => created(networkPolicyKind, { spec }).spec?.policyTypes;
  assert.deepEqual([types({}), types({ egress: [{}] })], [["Ingress"], ["Ingress", "Egress"]]);
  const judge = (rule: object) => judgeNew(networkPolicyKind, { spec: { ingress: [rule] } });
  assert.deepEqual(judge({ ports: [{ port: 80, endPort: 70 }] }), [
    "spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`",
  ]);
  assert.deepEqual(judge({ from: [{}] }), ["spec.ingress[0].from[0]: Required value: must specify a peer"]);
  assert.deepEqual(judge({ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] } }] }), [
    'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
  ]);
});

const backend = { service: { name: "web", port: { number: 80 } } };
const PATH = "spec.rules[0].http.paths[0]";

test("ingress: paths lead somewhere", () => {
  const judge = (path: object) => judgeNew(ingressKind, { spec: { rules: [{ http: { paths: [path] } }] } });
  assert.deepEqual(judge({ path: "/", pathType: "Prefix", backend }), []);
  assert.deepEqual(judge({ path: "a//b", pathType: "Exact", backend }), [
    `${PATH}.path: Invalid value: "a//b": must be an absolute path`,
    `${PATH}.path: Invalid value: "a//b": must not contain '//'`,
  ]);
  assert.deepEqual(judge({ path: "/", backend }), [`${PATH}.pathType: Required value: pathType must be specified`]);
  const nameless = { service: { name: "web", port: {} } };
  assert.deepEqual(judge({ path: "/", pathType: "Prefix", backend: nameless }), [
    `${PATH}.backend: Required value: port name or number is required`,
  ]);
  assert.deepEqual(judgeNew(ingressKind, {}), [
    "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
  ]);
  const rules = ["a.com", "b.com", "c.com", "d.com"].map((host) => ({ host }));
  const cells = ingressKind.columns.map((column) =>
    column.value(created(ingressKind, { spec: { rules, tls: [{}] } }), 0),
  );
  assert.deepEqual(cells.slice(1, 5), ["<none>", "a.com,b.com,c.com + 1 more...", "", "80, 443"]);
});

test("addresses and ranges have one spelling", () => {
  const parentRef = { resource: "services", namespace: "default", name: "a" };
  const address = (name: string) => judgeNew(ipAddressKind, { metadata: { name }, spec: { parentRef } });
  assert.deepEqual([address("10.0.0.1"), address("2001:db8::1")], [[], []]);
  assert.match(address("2001:db8:0::1").join(), /must be in canonical form \("2001:db8::1"\)$/);
  assert.match(address("x").join(), /must be a valid IP address/);
  const range = (cidrs: string[]) => judgeNew(serviceCidrKind, { spec: { cidrs } });
  assert.deepEqual(range(["10.0.0.0/24", "2001:db8::/64"]), []);
  assert.match(range(["10.0.0.0/24", "10.1.0.0/24"]).join(), /no more than one IP for each IP family/);
});

test("priority class: large numbers and the prefix are the system's", () => {
  const judge = (name: string, value: number) => judgeNew(priorityClassKind, { metadata: { name }, value });
  assert.deepEqual([judge("a", 5), judge("system-node-critical", 2_000_001_000)], [[], []]);
  assert.deepEqual(judge("a", 1_000_000_001), [
    "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
  ]);
  assert.match(judge("system-mine", 1).join(), /reserved for system use only/);
  const errors = judgeUpdate(priorityClassKind, created(priorityClassKind, { value: 1 }), (next) => {
    next.value = 2;
  });
  assert.deepEqual(errors, ["value: Forbidden: may not be changed in an update."]);
});

test("autoscaler: bounds, metrics and behaviour", () => {
  const target = { scaleTargetRef: { kind: "Deployment", name: "web", apiVersion: "apps/v1" } };
  const judge = (spec: object) => judgeNew(horizontalPodAutoscalerKind, { spec: { ...target, ...spec } });
  assert.deepEqual(judge({ maxReplicas: 1, minReplicas: 2 }), [
    "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
  ]);
  assert.deepEqual(judge({ maxReplicas: 1, metrics: [{ type: "Pods" }] }), [
    "spec.metrics[0].pods: Required value: must populate information for the given metric source",
  ]);
  const behavior = { scaleUp: { policies: [{ type: "Pods", value: 0, periodSeconds: 1801 }] } };
  assert.deepEqual(judge({ maxReplicas: 1, behavior }), [
    "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
    "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
  ]);
  assert.deepEqual(judge({ maxReplicas: 1, behavior: { scaleDown: { policies: [] } } }), [
    "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy",
  ]);
  const made = created(horizontalPodAutoscalerKind, { spec: { ...target, maxReplicas: 3 } });
  const cells = horizontalPodAutoscalerKind.columns.map((column) => column.value(made, 0));
  assert.deepEqual(cells.slice(1, 6), ["Deployment/web", "cpu: <unknown>/80%", "1", 3, 0]);
});
