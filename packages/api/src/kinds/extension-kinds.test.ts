// Kinds that extend the API: custom resources, webhooks, policies, API services, certificates, flow control, devices.
import assert from "node:assert/strict";
import { test } from "node:test";
import { validatingAdmissionPolicyBindingKind, validatingAdmissionPolicyKind } from "./admission/policies.ts";
import { validatingWebhookConfigurationKind } from "./admission/webhook-configurations.ts";
import { apiServiceKind } from "./api-service.ts";
import { certificateSigningRequestKind } from "./certificate-signing-request/certificate-signing-request.ts";
import { customResourceDefinitionKind } from "./custom-resource-definition/custom-resource-definition.ts";
import { resourceClaimKind } from "./devices/resource-claim.ts";
import { flowSchemaKind } from "./flow-schema.ts";
import { created, judgeNew, judgeUpdate, updated } from "./judge.ts";
import { priorityLevelConfigurationKind } from "./priority-level-configuration.ts";
import { VALID_MANIFESTS } from "./valid-manifests.ts";

const version = (extra: object = {}) => ({
  name: "v1",
  served: true,
  storage: true,
  schema: { openAPIV3Schema: { type: "object" } },
  ...extra,
});
const definition = (spec: object = {}) => ({
  metadata: { name: "foos.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "foos", kind: "Foo" },
    versions: [version()],
    ...spec,
  },
});
// What all versions have alike is told once, above them.
const SCHEMA = "spec.validation.openAPIV3Schema";
const schema = (openAPIV3Schema: object) => definition({ versions: [version({ schema: { openAPIV3Schema } })] });

const BAD_DEFINITIONS: readonly (readonly [object, string])[] = [
  [
    definition({ group: "other.com" }),
    'metadata.name: Invalid value: "foos.example.com": must be spec.names.plural+"."+spec.group',
  ],
  [definition({ scope: "World" }), 'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'],
  [definition({ versions: [version({ schema: {} })] }), "spec.versions[0].schema.openAPIV3Schema: Required value"],
  [schema({ type: "string" }), `${SCHEMA}.type: Invalid value: "string": must be object at the root`],
  [
    schema({ type: "object", properties: { a: {} } }),
    `${SCHEMA}.properties[a].type: Required value: must not be empty for specified object fields`,
  ],
  [
    schema({ type: "object", properties: { a: { type: "array" } } }),
    `${SCHEMA}.properties[a].items: Required value: must be specified`,
  ],
  [
    schema({
      ...{ type: "object", properties: { a: { type: "string" } } },
      anyOf: [{ properties: { a: { type: "string" } } }],
    }),
    `${SCHEMA}.anyOf[0].properties[a].type: Forbidden: must be empty to be structural`,
  ],
];

test("custom resource definition: names and structural schemas", () => {
  assert.deepEqual(judgeNew(customResourceDefinitionKind, definition()), []);
  for (const [manifest, expected] of BAD_DEFINITIONS) {
    assert.deepEqual(judgeNew(customResourceDefinitionKind, manifest), [expected]);
  }
  const two = definition({ versions: [version(), version({ name: "v2" })] });
  assert.match(
    judgeNew(customResourceDefinitionKind, two).join(),
    /must have exactly one version marked as storage version,/,
  );
});

test("custom resource definition: versions that were stored are remembered", () => {
  const made = created(customResourceDefinitionKind, definition());
  assert.deepEqual(made.status, { storedVersions: ["v1"] });
  assert.deepEqual([made.spec.names.singular, made.spec.names.listKind], ["foo", "FooList"]);
  const { object, errors } = updated(customResourceDefinitionKind, made, (next) => {
    next.spec.versions = [version({ storage: false }), version({ name: "v2" })];
  });
  assert.deepEqual([errors, object.status?.storedVersions], [[], ["v1", "v2"]]);
  const dropped = judgeUpdate(customResourceDefinitionKind, object, (next) => {
    next.spec.versions = [version({ name: "v2" })];
  });
  assert.match(dropped.join(), /^status\.storedVersions\[0\]: Invalid value: "v1": missing from spec\.versions/);
});

const webhook = (extra: object) => ({
  webhooks: [
    {
      name: "a.example.com",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      clientConfig: { url: "https://h/" },
      ...extra,
    },
  ],
});

test("webhooks: where they are, and for what", () => {
  const judge = (extra: object) => judgeNew(validatingWebhookConfigurationKind, webhook(extra));
  assert.deepEqual(judge({}), []);
  assert.deepEqual(judge({ name: "a.b" }), [
    'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
  ]);
  assert.deepEqual(judge({ clientConfig: {} }), [
    "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
  ]);
  assert.match(
    judge({ clientConfig: { url: "http://h/" } }).join(),
    /'https' is the only allowed URL scheme; desired format/,
  );
  assert.deepEqual(judge({ timeoutSeconds: 31 }), [
    "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
  ]);
  const rule = { operations: ["CREATE", "*"], apiGroups: [""], apiVersions: ["v1"], resources: ["*", "pods"] };
  assert.deepEqual(judge({ rules: [rule] }), [
    'webhooks[0].rules[0].operations: Invalid value: ["CREATE","*"]: if \'*\' is present, must not specify other operations',
    'webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
  ]);
});

test("policies and bindings: what must be said", () => {
  const matchConstraints = {
    resourceRules: [{ operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] }],
  };
  const judge = (spec: object) => judgeNew(validatingAdmissionPolicyKind, { spec: { matchConstraints, ...spec } });
  assert.deepEqual(judge({}), [
    "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
    "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
  ]);
  assert.deepEqual(judge({ validations: [{ expression: "a\nb" }] }), [
    "spec.validations[0].message: Required value: message must be specified if expression contains line breaks",
  ]);
  const binding = judgeNew(validatingAdmissionPolicyBindingKind, {
    spec: { policyName: "p", validationActions: ["Deny", "Warn"] },
  });
  assert.match(binding.join(), /must not contain both Deny and Warn/);
});

test("api service: its name is version and group", () => {
  const spec = { group: "g.example.com", version: "v1", groupPriorityMinimum: 1, versionPriority: 1001 };
  assert.deepEqual(judgeNew(apiServiceKind, { spec }), [
    'metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g.example.com"',
    "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
  ]);
});

test("certificate request: a verdict is given once, by those who may", () => {
  const [, , manifest = {}] = VALID_MANIFESTS.find(([, kind]) => kind === "CertificateSigningRequest") ?? [];
  const request = created(certificateSigningRequestKind, manifest);
  const verdict = (type: string) => ({ type, status: "True", reason: "r" });
  const conditions =
    (...types: string[]) =>
    (next: typeof request) => {
      next.status = { ...next.status, conditions: types.map(verdict) };
    };
  const approval = certificateSigningRequestKind.subresources.find(({ name }) => name === "approval")?.rules;
  const approved = structuredClone(request);
  conditions("Approved", "Seen")(approved);
  approval?.prepareForUpdate(approved, request, "2026-01-01T00:00:01Z");
  const [verdictTime] = approved.status?.conditions ?? [];
  assert.deepEqual(
    [verdictTime?.lastUpdateTime, verdictTime?.lastTransitionTime],
    ["2026-01-01T00:00:01Z", "2026-01-01T00:00:01Z"],
  );
  assert.deepEqual(approval?.validateUpdate(approved, request), []);
  assert.deepEqual(
    approved.status?.conditions?.map(({ type }) => type),
    ["Approved", "Seen"],
  );
  const bySigner = (...types: string[]) =>
    JSON.stringify(updated(certificateSigningRequestKind, approved, conditions(...types), true).errors);
  assert.equal(bySigner("Approved", "Failed"), "[]");
  assert.match(bySigner("Approved", "Denied"), /updates may not add a condition of type .*Denied/);
  assert.match(bySigner("Failed"), /updates may not remove a condition of type .*Approved/);
  const denied = structuredClone(approved);
  conditions("Denied")(denied);
  approval?.prepareForUpdate(denied, approved, "2026-01-01T00:00:01Z");
  assert.match(JSON.stringify(approval?.validateUpdate(denied, approved)), /may not remove a condition of type/);
});

test("flow control: levels and schemas refer to each other by rules of their own", () => {
  const subjects = [{ kind: "User", user: { name: "u" } }];
  const urls = (nonResourceURLs: string[]) => ({ subjects, nonResourceRules: [{ verbs: ["get"], nonResourceURLs }] });
  const judge = (rule: object) =>
    judgeNew(flowSchemaKind, { spec: { priorityLevelConfiguration: { name: "p" }, rules: [rule] } });
  assert.deepEqual(judge(urls(["/healthz", "/apis/*"])), []);
  assert.match(judge(urls(["/a*"])).join(), /wildcard can only do suffix matching/);
  const level = { spec: { type: "Limited", limited: { limitResponse: { type: "Queue", queuing: { queues: 4 } } } } };
  assert.deepEqual(judgeNew(priorityLevelConfigurationKind, level), [
    "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)",
  ]);
});

test("resource claim: requests are named once and ask in one way", () => {
  const judge = (...requests: object[]) => judgeNew(resourceClaimKind, { spec: { devices: { requests } } });
  const exactly = { deviceClassName: "gpu.example.com" };
  assert.deepEqual(judge({ name: "a", exactly }), []);
  assert.deepEqual(judge({ name: "a", exactly }, { name: "a" }), [
    "spec.devices.requests[1]: Required value: exactly one of `exactly` or `firstAvailable` is required",
    'spec.devices.requests[1]: Duplicate value: "a"',
  ]);
  assert.deepEqual(judge({ name: "a", exactly: { ...exactly, allocationMode: "All", count: 2 } }), [
    "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
  ]);
});
