// The stored kinds. A kind is served, discovered, documented and cached because it is in this list.
import type { KindDefinition } from "../kind.ts";
import { clusterRoleKind } from "./cluster-role.ts";
import { clusterRoleBindingKind } from "./cluster-role-binding.ts";
import { configMapKind } from "./config-map.ts";
import { deploymentKind } from "./deployment.ts";
import { endpointSliceKind } from "./endpoint-slice.ts";
import { endpointsKind } from "./endpoints.ts";
import { eventKind } from "./event.ts";
import { leaseKind } from "./lease.ts";
import { namespaceKind } from "./namespace.ts";
import { nodeKind } from "./node.ts";
import { podKind } from "./pod/pod.ts";
import { replicaSetKind } from "./replica-set.ts";
import { roleKind } from "./role.ts";
import { roleBindingKind } from "./role-binding.ts";
import { secretKind } from "./secret.ts";
import { serviceKind } from "./service/service.ts";
import { serviceAccountKind } from "./service-account.ts";

// Callers hand each kind only objects of its own model, so the type of its objects can be forgotten here.
export const KINDS = [
  namespaceKind,
  nodeKind,
  podKind,
  serviceKind,
  endpointsKind,
  endpointSliceKind,
  configMapKind,
  secretKind,
  serviceAccountKind,
  eventKind,
  leaseKind,
  deploymentKind,
  replicaSetKind,
  roleKind,
  roleBindingKind,
  clusterRoleKind,
  clusterRoleBindingKind,
] as readonly unknown[] as readonly KindDefinition[];

const byPlural = index(KINDS, (kind) => kind.plural);
const byName = index(KINDS, (kind) => kind.kind);

/** The kind behind `/apis/GROUP/…/PLURAL`. */
export function findKind(group: string, plural: string): KindDefinition | undefined {
  return byPlural.get(`${group}/${plural}`);
}

/** The kind that an object names as `apiVersion` and `kind`. */
export function findKindByName(group: string, kind: string): KindDefinition | undefined {
  return byName.get(`${group}/${kind}`);
}

function index(kinds: readonly KindDefinition[], nameOf: (kind: KindDefinition) => string) {
  const map = new Map<string, KindDefinition>();
  for (const kind of kinds) {
    const key = `${kind.group}/${nameOf(kind)}`;
    if (map.has(key)) throw new Error(`two kinds are called ${key}`);
    map.set(key, kind);
  }
  return map;
}
