// Roles and bindings indexed by subject, kept up to date change by change, so that no request walks all bindings.
import { notFound } from "@skiff/api/errors.ts";
import { selectorOf } from "@skiff/api/labels.ts";
import { objectKey } from "@skiff/api/object.ts";
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from "@skiff/api/resource-ref.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  RbacV1Subject,
  Role,
  RoleBinding,
} from "@skiff/api/types.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { ObjectChange, ObjectReader } from "../registry/object-access.ts";
import { CompiledRole } from "./rbac-rules.ts";

type Binding = Readonly<RoleBinding> | Readonly<ClusterRoleBinding>;

/** A role that a user has, and through which binding and subject. */
export interface Grant {
  readonly role: CompiledRole;
  readonly binding: Binding;
  readonly subject: RbacV1Subject;
}

/** A role that a binding names. */
export interface RoleReference {
  readonly kind: string;
  readonly name: string;
}

/** No namespace is called so. */
const CLUSTER_SCOPE = "";

/** Holds what the watch caches tell, so that it is never behind them and asks etcd nothing. */
export class RbacIndex implements Disposable {
  /** By `namespace/name`. */
  private readonly roles = new Map<string, CompiledRole>();
  /** By name, as they came: aggregation selects among them by their labels. */
  private readonly clusterRoleObjects = new Map<string, Readonly<ClusterRole>>();
  private readonly clusterRoles = new Map<string, CompiledRole>();
  /** By scope (a namespace, or "" for cluster bindings), then by subject, then by binding name. */
  private readonly bindings = new Map<string, Map<string, Map<string, { binding: Binding; subject: RbacV1Subject }>>>();
  private readonly subscriptions: readonly Disposable[];

  constructor(reader: ObjectReader) {
    this.subscriptions = [
      reader.observe(roles, (change) => this.onRole(change)),
      reader.observe(clusterRoles, (change) => this.onClusterRole(change)),
      reader.observe(roleBindings, (change) => this.onBinding(change)),
      reader.observe(clusterRoleBindings, (change) => this.onBinding(change)),
    ];
  }

  [Symbol.dispose](): void {
    for (const subscription of this.subscriptions) subscription[Symbol.dispose]();
  }

  /** What `user` was granted cluster-wide and in `namespace` ("" for none). `onMissing` hears of bindings without role. */
  *grantsOf(user: UserInfo, namespace: string, onMissing?: (error: Error) => void): Generator<Grant> {
    for (const scope of namespace ? [CLUSTER_SCOPE, namespace] : [CLUSTER_SCOPE]) {
      const subjects = this.bindings.get(scope);
      if (!subjects) continue;
      for (const key of subjectKeysOf(user)) {
        for (const { binding, subject } of subjects.get(key)?.values() ?? []) {
          const role = this.roleOf(binding.roleRef, scope);
          if (role) yield { role, binding, subject };
          else onMissing?.(missingRole(binding.roleRef));
        }
      }
    }
  }

  /** The role that a binding in `namespace` means. */
  roleOf(reference: RoleReference, namespace: string): CompiledRole | undefined {
    if (reference.kind === "Role") return this.roles.get(`${namespace}/${reference.name}`);
    return this.clusterRole(reference.name);
  }

  /** Compiled when first used: most of the many bootstrap roles are never asked about. */
  private clusterRole(name: string): CompiledRole | undefined {
    const known = this.clusterRoles.get(name);
    if (known) return known;
    const object = this.clusterRoleObjects.get(name);
    if (!object) return undefined;
    const compiled = new CompiledRole(this.effectiveRules(object));
    this.clusterRoles.set(name, compiled);
    return compiled;
  }

  /** An aggregated role has the rules of those it selects at once, whether or not the controller has copied them yet. */
  private effectiveRules(role: Readonly<ClusterRole>): readonly PolicyRule[] {
    const rules = [...(role.rules ?? [])];
    for (const selector of role.aggregationRule?.clusterRoleSelectors?.map(selectorOf) ?? []) {
      for (const other of this.clusterRoleObjects.values()) {
        if (other !== role && selector.matches(other.metadata.labels)) rules.push(...(other.rules ?? []));
      }
    }
    return rules;
  }

  private onRole({ type, object }: ObjectChange<Role>): void {
    if (type === "deleted") this.roles.delete(objectKey(object));
    else this.roles.set(objectKey(object), new CompiledRole(object.rules ?? []));
  }

  private onClusterRole({ type, object }: ObjectChange<ClusterRole>): void {
    if (type === "deleted") this.clusterRoleObjects.delete(object.metadata.name);
    else this.clusterRoleObjects.set(object.metadata.name, object);
    this.clusterRoles.delete(object.metadata.name);
    // Any change may alter what aggregated roles select; they are compiled again when asked for.
    for (const [name, other] of this.clusterRoleObjects) if (other.aggregationRule) this.clusterRoles.delete(name);
  }

  private onBinding(change: ObjectChange<RoleBinding> | ObjectChange<ClusterRoleBinding>): void {
    // The subjects may have changed, and each is a key of the index.
    if (change.type === "modified") this.removeBinding(change.previous);
    if (change.type === "deleted") this.removeBinding(change.object);
    else this.addBinding(change.object);
  }

  private addBinding(binding: Binding): void {
    const scope = binding.metadata.namespace ?? CLUSTER_SCOPE;
    const subjects = getOrInsert(this.bindings, scope, () => new Map());
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, scope);
      if (key) getOrInsert(subjects, key, () => new Map()).set(binding.metadata.name, { binding, subject });
    }
  }

  private removeBinding(binding: Binding): void {
    const scope = binding.metadata.namespace ?? CLUSTER_SCOPE;
    const subjects = this.bindings.get(scope);
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, scope);
      const entries = key && subjects?.get(key);
      if (!entries) continue;
      entries.delete(binding.metadata.name);
      if (entries.size === 0) subjects?.delete(key);
    }
    // Namespaces come and go, and their entries with them.
    if (subjects?.size === 0) this.bindings.delete(scope);
  }
}

/** A binding may name a role that does not exist yet; it then grants nothing, and the error says why. */
export function missingRole(reference: RoleReference): Error {
  const plural = reference.kind === "Role" ? "roles" : "clusterroles";
  return notFound({ group: "rbac.authorization.k8s.io", plural }, reference.name);
}

function* subjectKeysOf(user: UserInfo): Generator<string> {
  yield `User ${user.name}`;
  for (const group of user.groups) yield `Group ${group}`;
}

/** A service account is the user of that name. Without a namespace it is one of the binding's own. */
function subjectKey(subject: RbacV1Subject, scope: string): string | undefined {
  if (subject.kind !== "ServiceAccount") return `${subject.kind} ${subject.name}`;
  const namespace = subject.namespace || scope;
  return namespace ? `User system:serviceaccount:${namespace}:${subject.name}` : undefined;
}

function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
