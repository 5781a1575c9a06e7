// The bootstrap tables and how they are merged into what a cluster has.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterRole, RoleBinding } from "@skiff/api/types.ts";
import { uncoveredRules } from "../authz/rbac-rules.ts";
import { aggregatedRules } from "./aggregate-roles.ts";
import { CLUSTER_ROLES } from "./cluster-roles.ts";
import { CONTROLLER_ROLES } from "./controller-roles.ts";
import { mergeBinding, mergeRole } from "./reconcile-rbac.ts";
import { CLUSTER_BINDINGS, user } from "./role-bindings.ts";
import { rule } from "./rule-text.ts";

function asRole(spec: (typeof CLUSTER_ROLES)[number]): ClusterRole {
  const selectors = spec.aggregates ? [{ matchLabels: { [spec.aggregates]: "true" } }] : undefined;
  return {
    metadata: { name: spec.name, labels: { ...spec.labels }, uid: "", resourceVersion: "", creationTimestamp: "" },
    rules: [...spec.rules],
    ...(selectors ? { aggregationRule: { clusterRoleSelectors: selectors } } : {}),
  };
}

test("rule reads groups, resources, names and sets of verbs", () => {
  assert.deepEqual(rule("core apps : pods pods/log : read"), {
    apiGroups: ["", "apps"],
    resources: ["pods", "pods/log"],
    verbs: ["get", "list", "watch"],
  });
  assert.deepEqual(rule("core : configmaps[a,b] : get").resourceNames, ["a", "b"]);
});

test("CLUSTER_BINDINGS name roles that exist, each once", () => {
  const roles = new Set([...CLUSTER_ROLES, ...CONTROLLER_ROLES.map(({ role }) => role)].map(({ name }) => name));
  assert.deepEqual(
    CLUSTER_BINDINGS.filter(({ role }) => !roles.has(role)),
    [],
  );
  assert.equal(new Set(CLUSTER_BINDINGS.map(({ name }) => name)).size, CLUSTER_BINDINGS.length);
});

test("CLUSTER_BINDINGS let anonymous users read health and version only", () => {
  const granted = CLUSTER_BINDINGS.filter(({ subjects }) =>
    subjects.some(({ name }) => name === "system:unauthenticated"),
  );
  const rules = granted.flatMap(({ role }) => CLUSTER_ROLES.find(({ name }) => name === role)?.rules ?? []);
  const urls = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
  assert.deepEqual(rules, [{ nonResourceURLs: urls, verbs: ["get"] }]);
});

test("aggregatedRules gives admin all that edit and view have once they are aggregated", () => {
  const all = CLUSTER_ROLES.map(asRole);
  const fill = (name: string) => {
    const role = all.find((candidate) => candidate.metadata.name === name);
    assert.ok(role);
    role.rules = aggregatedRules(role, all);
    return role.rules;
  };
  const [view, edit, admin] = ["view", "edit", "admin"].map(fill);
  assert.ok(view && edit && admin && view.length > 0);
  assert.deepEqual(uncoveredRules(edit, view), []);
  assert.deepEqual(uncoveredRules(admin, edit), []);
  assert.notDeepEqual(uncoveredRules(view, [rule("core : secrets : get")]), undefined);
  assert.equal(uncoveredRules(view, [rule("core : secrets : get")]).length, 1);
});

test("mergeRole adds missing rules, keeps additional ones and says when nothing is missing", () => {
  const wanted = asRole({ name: "r", rules: [rule("core : pods : get list")] });
  const current = asRole({ name: "r", rules: [rule("core : pods : get"), rule("core : nodes : get")] });
  const merged = mergeRole(structuredClone(current), wanted);
  assert.equal(merged?.rules?.length, 3);
  assert.equal(mergeRole(structuredClone(merged as ClusterRole), wanted), undefined);
});

test("mergeBinding adds missing subjects only", () => {
  const metadata = { name: "b", uid: "", resourceVersion: "", creationTimestamp: "" };
  const roleRef = { kind: "ClusterRole", name: "r" };
  const current: RoleBinding = { metadata, roleRef, subjects: [user("a")] };
  assert.equal(mergeBinding(structuredClone(current), { metadata: {}, roleRef, subjects: [user("a")] }), undefined);
  const merged = mergeBinding(structuredClone(current), { metadata: {}, roleRef, subjects: [user("b")] });
  assert.deepEqual(
    merged?.subjects?.map(({ name }) => name),
    ["a", "b"],
  );
});
