// Brings the bootstrap roles and bindings up to date at start: adds what is missing, keeps what an administrator added.
import { isAlreadyExists, isNotFound } from "@skiff/api/errors.ts";
import type { KubeObject, Unsaved } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from "@skiff/api/resource-ref.ts";
import type { ClusterRole, PolicyRule, RbacV1Subject, Role, RoleBinding } from "@skiff/api/types.ts";
import { uncoveredRules } from "../authz/rbac-rules.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";
import { CLUSTER_ROLES, TRUST_BUNDLE_ROLE } from "./cluster-roles.ts";
import { CONTROLLER_ROLES } from "./controller-roles.ts";
import { NAMESPACED_ROLES } from "./namespaced-roles.ts";
import { CLUSTER_BINDINGS, TRUST_BUNDLE_BINDING } from "./role-bindings.ts";

/** The annotation that every bootstrap object carries, and by which an administrator opts one out. */
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";
const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const RBAC_GROUP = "rbac.authorization.k8s.io";
// Enough to fill a fresh cluster in a moment without crowding etcd.
const CONCURRENCY = 16;

interface Deps {
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
  readonly signal: AbortSignal;
  readonly trustBundles: boolean;
}

/**
 * Upstream's reconciliation: rules and subjects are only ever added, so that an upgrade brings new rights and keeps
 * what was granted by hand. Rejects at the first failure; the caller tries again.
 */
export async function reconcileRbac(deps: Deps): Promise<void> {
  const tasks = [...clusterRoleTasks(deps), ...namespacedTasks(deps), ...clusterBindingTasks(deps)];
  const next = tasks.values();
  const worker = async () => {
    for (const task of next) await task();
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

type Task = () => Promise<void>;

function clusterRoleTasks(deps: Deps): Task[] {
  const optional = deps.trustBundles ? [TRUST_BUNDLE_ROLE] : [];
  return [...CLUSTER_ROLES, ...optional, ...CONTROLLER_ROLES.map(({ role }) => role)].map((spec) => () => {
    const { name, rules, labels = {}, aggregates } = spec as (typeof CLUSTER_ROLES)[number];
    const selectors = aggregates ? [{ matchLabels: { [aggregates]: "true" } }] : undefined;
    const wanted: Unsaved<ClusterRole> = {
      metadata: metadata(name, undefined, labels),
      rules: [...rules],
      ...(selectors ? { aggregationRule: { clusterRoleSelectors: selectors } } : {}),
    };
    return ensure(deps, clusterRoles, wanted, (current) => mergeRole(current, wanted));
  });
}

function namespacedTasks(deps: Deps): Task[] {
  return NAMESPACED_ROLES.flatMap(({ namespace, name, rules, binding }) => {
    const role: Unsaved<Role> = { metadata: metadata(name, namespace), rules: [...rules] };
    const tasks: Task[] = [() => ensure(deps, roles, role, (current) => mergeRole(current, role))];
    if (binding)
      tasks.push(() => ensureBinding(deps, roleBindings, binding.name, namespace, "Role", name, binding.subjects));
    return tasks;
  });
}

function clusterBindingTasks(deps: Deps): Task[] {
  return [...CLUSTER_BINDINGS, ...(deps.trustBundles ? [TRUST_BUNDLE_BINDING] : [])].map(
    ({ name, role, subjects }) =>
      () =>
        ensureBinding(deps, clusterRoleBindings, name, undefined, "ClusterRole", role, subjects),
  );
}

function metadata(name: string, namespace: string | undefined, labels: Readonly<Record<string, string>> = {}) {
  const annotations = { [AUTOUPDATE]: "true" };
  return { name, ...(namespace ? { namespace } : {}), annotations, labels: { ...LABELS, ...labels } };
}

async function ensureBinding(
  deps: Deps,
  ref: ResourceRef<RoleBinding>,
  name: string,
  namespace: string | undefined,
  roleKind: string,
  roleName: string,
  subjects: readonly RbacV1Subject[],
): Promise<void> {
  const wanted: Unsaved<RoleBinding> = {
    metadata: metadata(name, namespace),
    roleRef: { apiGroup: RBAC_GROUP, kind: roleKind, name: roleName },
    ...(subjects.length > 0 ? { subjects: [...subjects] } : {}),
  };
  const current = deps.reader.get(ref, namespace ?? "", name);
  // A role of another name, as after an upgrade that moved a binding.
  const isOther = current && (current.roleRef.kind !== roleKind || current.roleRef.name !== roleName);
  if (isOther && isManaged(current)) {
    // What a binding binds cannot be changed, so upstream replaces it.
    await deps.writer.delete(ref, namespace ?? "", name, deps.signal).catch(ignoreNotFound);
  }
  await ensure(deps, ref, wanted, (binding) => mergeBinding(binding, wanted));
}

/** Creates the object, or updates it where `merge` says that something is missing. */
async function ensure<T extends KubeObject>(
  { reader, writer, signal }: Deps,
  ref: ResourceRef<T>,
  wanted: Unsaved<T>,
  merge: (current: T) => T | undefined,
): Promise<void> {
  const { name = "", namespace = "" } = wanted.metadata;
  if (!reader.get(ref, namespace, name)) {
    try {
      await writer.create(ref, wanted, signal);
      return;
    } catch (error) {
      // Another apiserver was faster.
      if (!isAlreadyExists(error)) throw error;
    }
  }
  const change = (current: T) => (isManaged(current) ? merge(current) : undefined);
  const cached = reader.get(ref, namespace, name);
  if (cached && !change(structuredClone(cached) as T)) return;
  await writer.update(ref, namespace, name, change, signal);
}

/** Administrators keep an object as it is by setting the annotation to "false". */
function isManaged(object: Readonly<KubeObject>): boolean {
  return object.metadata.annotations?.[AUTOUPDATE] !== "false";
}

/** Undefined when the role already grants all that it should. */
export function mergeRole<T extends ClusterRole>(current: T, wanted: Unsaved<ClusterRole>): T | undefined {
  // Covered counts as present: an administrator may have written the same rights as fewer rules.
  const missing = (wanted.rules ?? []).filter((rule) => uncoveredRules(current.rules ?? [], [rule]).length > 0);
  const selectors = missingSelectors(current, wanted);
  const hasMetadata = addMetadata(current, wanted);
  if (missing.length === 0 && selectors.length === 0 && !hasMetadata) return undefined;
  if (missing.length > 0) current.rules = [...(current.rules ?? []), ...(missing as PolicyRule[])];
  if (selectors.length > 0) {
    const present = current.aggregationRule?.clusterRoleSelectors ?? [];
    current.aggregationRule = { clusterRoleSelectors: [...present, ...selectors] };
  }
  return current;
}

function missingSelectors(current: Readonly<ClusterRole>, wanted: Unsaved<ClusterRole>) {
  const present = new Set(current.aggregationRule?.clusterRoleSelectors?.map((selector) => JSON.stringify(selector)));
  return (wanted.aggregationRule?.clusterRoleSelectors ?? []).filter((s) => !present.has(JSON.stringify(s)));
}

/** Undefined when every wanted subject is bound already. Changes `current`. */
export function mergeBinding(current: RoleBinding, wanted: Unsaved<RoleBinding>): RoleBinding | undefined {
  const key = ({ kind, namespace = "", name }: RbacV1Subject) => `${kind} ${namespace}/${name}`;
  const present = new Set(current.subjects?.map(key));
  const missing = (wanted.subjects ?? []).filter((subject) => !present.has(key(subject)));
  const hasMetadata = addMetadata(current, wanted);
  if (missing.length === 0 && !hasMetadata) return undefined;
  if (missing.length > 0) current.subjects = [...(current.subjects ?? []), ...missing];
  return current;
}

/** Whether anything was missing. */
function addMetadata(current: KubeObject, wanted: Unsaved<KubeObject>): boolean {
  const { labels = {}, annotations = {} } = current.metadata;
  // What is there wins: an administrator may have changed a value.
  const nextLabels = { ...wanted.metadata.labels, ...labels };
  const nextAnnotations = { ...wanted.metadata.annotations, ...annotations };
  const isSame =
    Object.keys(nextLabels).length === Object.keys(labels).length &&
    Object.keys(nextAnnotations).length === Object.keys(annotations).length;
  if (isSame) return false;
  current.metadata.labels = nextLabels;
  current.metadata.annotations = nextAnnotations;
  return true;
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
