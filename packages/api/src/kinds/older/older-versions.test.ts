// Older versions: how their fields become those that are stored, and back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../decode.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import { customResourceDefinitionBeta } from "./custom-resource-definition.ts";
import { endpointSliceBeta } from "./endpoint-slice.ts";
import { eventsGroupVersions } from "./events-group.ts";
import { horizontalPodAutoscalerV1 } from "./horizontal-pod-autoscaler.ts";
import { ingressBeta } from "./ingress.ts";
import { podDisruptionBudgetBeta } from "./pod-disruption-budget.ts";
import { validatingWebhookConfigurationBeta } from "./webhook-configurations.ts";

/** What the manifest is stored as, and what is read back from that. */
function both(version: ServedVersion, manifest: object): { stored: Record<string, unknown>; shown: object } {
  const { object } = decode<KubeObject>(version.model, { metadata: { name: "x" }, ...manifest }, { strict: true });
  const stored = version.toStored(structuredClone(object));
  return { stored: { ...stored }, shown: version.fromStored(structuredClone(stored)) };
}

test("ingress v1beta1: flat backends", () => {
  const paths = [{ path: "/a", pathType: "Exact", backend: { serviceName: "s", servicePort: "http" } }];
  const spec = { backend: { serviceName: "d", servicePort: 80 }, rules: [{ host: "h", http: { paths } }] };
  const { stored, shown } = both(ingressBeta, { spec });
  assert.deepEqual(stored.spec, {
    defaultBackend: { service: { name: "d", port: { number: 80 } } },
    rules: [
      {
        host: "h",
        http: {
          paths: [{ path: "/a", pathType: "Exact", backend: { service: { name: "s", port: { name: "http" } } } }],
        },
      },
    ],
  });
  assert.deepEqual((shown as { spec: object }).spec, spec);
});

test("endpoint slice v1beta1: topology", () => {
  const topology = { "kubernetes.io/hostname": "n", "topology.kubernetes.io/zone": "z", rack: "r" };
  const endpoints = [{ addresses: ["10.0.0.1"], nodeName: "n", topology }];
  const { stored, shown } = both(endpointSliceBeta, { addressType: "IPv4", endpoints });
  assert.deepEqual(stored.endpoints, [
    { addresses: ["10.0.0.1"], conditions: {}, nodeName: "n", zone: "z", deprecatedTopology: { rack: "r" } },
  ]);
  assert.deepEqual((shown as { endpoints: object }).endpoints, [{ ...endpoints[0], conditions: {} }]);
});

test("disruption budget v1beta1: an empty selector selects nothing", () => {
  const { stored, shown } = both(podDisruptionBudgetBeta, { spec: { selector: {} } });
  const key = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";
  assert.deepEqual(stored.spec, { selector: { matchExpressions: [{ key, operator: "Exists" }] } });
  assert.deepEqual((shown as { spec: object }).spec, { selector: {} });
});

test("autoscaler v1: other metrics live in annotations", () => {
  const metrics = JSON.stringify([{ type: "Pods", pods: { metricName: "rps", targetAverageValue: "5" } }]);
  const annotations = { a: "b", "autoscaling.alpha.kubernetes.io/metrics": metrics };
  const spec = {
    maxReplicas: 3,
    targetCPUUtilizationPercentage: 70,
    scaleTargetRef: { kind: "Deployment", name: "d" },
  };
  const { stored, shown } = both(horizontalPodAutoscalerV1, { metadata: { name: "x", annotations }, spec });
  assert.deepEqual((stored.spec as { metrics: object }).metrics, [
    { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
    { type: "Pods", pods: { metric: { name: "rps" }, target: { type: "AverageValue", averageValue: "5" } } },
  ]);
  assert.deepEqual((stored.metadata as { annotations: object }).annotations, { a: "b" });
  const back = shown as { metadata: { annotations: object }; spec: object };
  assert.deepEqual([back.metadata.annotations, back.spec], [annotations, spec]);
});

test("custom resource definition v1beta1: what stood at the top moves into the versions", () => {
  const spec = {
    group: "example.com",
    version: "v1",
    scope: "Namespaced",
    names: { plural: "foos", kind: "Foo" },
    subresources: { status: {} },
    additionalPrinterColumns: [{ name: "A", type: "string", JSONPath: ".spec.a" }],
  };
  const { stored, shown } = both(customResourceDefinitionBeta, { spec });
  assert.deepEqual((stored.spec as { versions: object }).versions, [
    {
      name: "v1",
      served: true,
      storage: true,
      subresources: { status: {} },
      schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: ".spec.a" }],
    },
  ]);
  const back = (shown as { spec: typeof spec }).spec;
  assert.deepEqual([back.version, back.additionalPrinterColumns], ["v1", spec.additionalPrinterColumns]);
});

test("webhooks v1beta1: milder defaults", () => {
  const { stored } = both(validatingWebhookConfigurationBeta, { webhooks: [{ name: "a.b.c", clientConfig: {} }] });
  const [webhook] = stored.webhooks as { failurePolicy: string; sideEffects: string; timeoutSeconds: number }[];
  assert.deepEqual([webhook?.failurePolicy, webhook?.sideEffects, webhook?.timeoutSeconds], ["Ignore", "Unknown", 30]);
});

test("events.k8s.io: newer names of the same fields", () => {
  const [version] = eventsGroupVersions;
  assert.ok(version);
  const event = {
    note: "n",
    regarding: { kind: "Pod" },
    reportingController: "c",
    eventTime: "2026-01-01T00:00:00.000000Z",
  };
  const { stored, shown } = both(version, event);
  assert.deepEqual([stored.message, stored.involvedObject, stored.reportingComponent], ["n", { kind: "Pod" }, "c"]);
  assert.deepEqual({ ...shown, metadata: undefined }, { ...event, metadata: undefined });
});
