// Audit policies: which rule matches, and which files are refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuditedCall, parseAuditPolicy } from "./policy.ts";

const call: AuditedCall = {
  user: "jane",
  groups: ["dev", "system:authenticated"],
  verb: "get",
  isResourceRequest: true,
  group: "",
  resource: "pods",
  subresource: "",
  namespace: "default",
  name: "web",
  path: "/api/v1/namespaces/default/pods/web",
};

function policyOf(...rules: object[]) {
  return parseAuditPolicy(JSON.stringify({ apiVersion: "audit.k8s.io/v1", kind: "Policy", rules }));
}

test("a rule matches by user, group, verb, namespace, resource, name and path, as upstream", () => {
  const cases: [object, Partial<AuditedCall>, boolean][] = [
    [{}, {}, true],
    [{ users: ["joe"] }, {}, false],
    [{ userGroups: ["dev"], verbs: ["get", "list"] }, {}, true],
    [{ verbs: ["list"] }, {}, false],
    [{ namespaces: ["default"] }, {}, true],
    [{ namespaces: [""] }, { namespace: "" }, true],
    [{ namespaces: ["default"] }, { isResourceRequest: false }, false],
    [{ resources: [{ group: "" }] }, {}, true],
    [{ resources: [{ group: "apps" }] }, {}, false],
    [{ resources: [{ resources: ["pods"] }] }, { subresource: "log" }, false],
    [{ resources: [{ resources: ["pods/log"] }] }, { subresource: "log" }, true],
    [{ resources: [{ resources: ["pods/*"] }] }, { subresource: "log" }, true],
    [{ resources: [{ resources: ["*/log"] }] }, { subresource: "log" }, true],
    [{ resources: [{ resources: ["*"] }] }, { subresource: "log" }, true],
    [{ resources: [{ resources: ["pods"], resourceNames: ["other"] }] }, {}, false],
    [{ resources: [{ resources: ["pods"], resourceNames: ["web"] }] }, {}, true],
    [{ nonResourceURLs: ["/healthz*"] }, {}, false],
    [{ nonResourceURLs: ["/healthz*"] }, { isResourceRequest: false, path: "/healthz/etcd" }, true],
    [{ nonResourceURLs: ["*"] }, { isResourceRequest: false, path: "/" }, true],
  ];
  for (const [rule, change, wanted] of cases) {
    const { level } = policyOf({ level: "Metadata", ...rule }).decide({ ...call, ...change });
    assert.equal(level, wanted ? "Metadata" : "None", JSON.stringify([rule, change]));
  }
});

test("the first rule that matches wins, and stages to leave out add up", () => {
  const text = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  users: [joe]
- level: Request
  omitStages: [ResponseStarted]
  omitManagedFields: false
- level: RequestResponse
`;
  const policy = parseAuditPolicy(text);
  assert.equal(policy.decide({ ...call, user: "joe" }).level, "None");
  const decision = policy.decide(call);
  assert.equal(decision.level, "Request");
  assert.deepEqual([...decision.omitStages], ["RequestReceived", "ResponseStarted"]);
  assert.equal(decision.omitManagedFields, false);
});

test("a policy that makes no sense is refused with what is wrong", () => {
  assert.throws(() => policyOf(), /0 rules/);
  assert.throws(() => policyOf({}), /rules\[0\]\.level: unsupported value/);
  assert.throws(() => policyOf({ level: "Metadata", verb: ["get"] }), /unknown field rules\[0\]\.verb/);
  assert.throws(() => policyOf({ level: "Metadata", nonResourceURLs: ["/a*/b"] }), /nonResourceURLs: invalid value/);
  assert.throws(
    () => policyOf({ level: "Metadata", nonResourceURLs: ["/a"], namespaces: ["b"] }),
    /cannot apply to both/,
  );
  assert.throws(() => policyOf({ level: "Metadata", resources: [{ resourceNames: ["a"] }] }), /at least one resource/);
  assert.throws(() => policyOf({ level: "Metadata", omitStages: ["Never"] }), /unsupported value: "Never"/);
  assert.throws(
    () => parseAuditPolicy("kind: Policy\napiVersion: audit.k8s.io/v1beta1\nrules: []"),
    /audit.k8s.io\/v1/,
  );
});
