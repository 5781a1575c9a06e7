// The Node authorizer: a kubelet may touch its own node and what the pods bound to that node need.
import { parseFieldSelector } from "@skiff/api/fields.ts";
import type { PolicyRule } from "@skiff/api/types.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Authorizer, Decision } from "./authorizer.ts";
import type { NodeGraph, ReferencedResource } from "./node-graph.ts";
import { CompiledRole } from "./rbac-rules.ts";

/** How a kubelet's certificate names it: CN=system:node:NAME, O=system:nodes. Both are needed. */
const USER_PREFIX = "system:node:";
const NODES_GROUP = "system:nodes";
const LEASE_NAMESPACE = "kube-node-lease";
/** One object for all: nearly every request of a kubelet ends here. */
const ALLOW: Decision = { verdict: "allow", reason: "" };

/** The node a user acts for ("" for a node user without name); undefined when the user is no node. */
export function nodeIdentity(user: UserInfo): string | undefined {
  if (!user.name.startsWith(USER_PREFIX) || !user.groups.includes(NODES_GROUP)) return undefined;
  return user.name.slice(USER_PREFIX.length);
}

/** Never denies: what it does not know is left to RBAC, where an administrator may grant a node more. */
export function createNodeAuthorizer(graph: NodeGraph): Authorizer {
  const general = new CompiledRole(NODE_RULES);
  return {
    name: "Node",
    authorize(attributes) {
      const nodeName = nodeIdentity(attributes.user);
      if (nodeName === undefined) return noOpinion("");
      if (nodeName === "") return noOpinion(`unknown node for user "${attributes.user.name}"`);
      if (attributes.isResourceRequest) {
        const special = decideSpecial(graph, nodeName, attributes);
        if (special) return special;
      }
      return general.allows(attributes) ? ALLOW : noOpinion("");
    },
  };
}

function noOpinion(reason: string): Decision {
  return { verdict: "no-opinion", reason };
}

type Judge = (graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes) => Decision;

/** Undefined for resources that the general rules of nodes judge. */
function decideSpecial(graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes): Decision | undefined {
  return JUDGES[`${attributes.group}/${attributes.resource}`]?.(graph, nodeName, attributes);
}

/** By `group/plural`. A stolen kubelet credential must not read the secrets of pods on other nodes, hence the graph. */
const JUDGES: Readonly<Record<string, Judge>> = {
  "/secrets": judgeReadNamespaced("secrets"),
  "/configmaps": judgeReadNamespaced("configmaps"),
  "/persistentvolumeclaims": (graph, nodeName, attributes) =>
    attributes.subresource === "status"
      ? judgeStatusUpdate(graph, nodeName, attributes)
      : judgeGet("persistentvolumeclaims")(graph, nodeName, attributes),
  "/persistentvolumes": judgeGet("persistentvolumes"),
  "storage.k8s.io/volumeattachments": judgeGet("volumeattachments"),
  "resource.k8s.io/resourceclaims": judgeGet("resourceclaims"),
  "/serviceaccounts": judgeServiceAccount,
  "coordination.k8s.io/leases": judgeLease,
  "storage.k8s.io/csinodes": judgeCsiNode,
  "resource.k8s.io/resourceslices": judgeResourceSlice,
  "certificates.k8s.io/podcertificaterequests": judgePodCertificateRequest,
  // The rest is judged by NODE_RULES alone.
  "/nodes": judgeNode,
  "/pods": judgePod,
};

/** list and watch are allowed of one named object, which is how a kubelet follows the secrets that it mounts. */
function judgeReadNamespaced(resource: ReferencedResource): Judge {
  return (graph, nodeName, attributes) => {
    if (!["get", "list", "watch"].includes(attributes.verb)) return noOpinion("can only read resources of this type");
    if (attributes.subresource) return noOpinion("cannot read subresource");
    if (!attributes.namespace) return noOpinion("can only read namespaced object of this type");
    return judgePath(graph, nodeName, resource, attributes);
  };
}

/** Only `get`: the kubelet never follows these. */
function judgeGet(resource: ReferencedResource): Judge {
  return (graph, nodeName, attributes) => {
    if (attributes.verb !== "get") return noOpinion("can only get individual resources of this type");
    if (attributes.subresource) return noOpinion("cannot get subresource");
    return judgePath(graph, nodeName, resource, attributes);
  };
}

/** The kubelet reports there how far the resizing of a volume has come. */
function judgeStatusUpdate(graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes): Decision {
  if (!["get", "update", "patch"].includes(attributes.verb)) {
    return noOpinion("can only get/update/patch this type");
  }
  return judgePath(graph, nodeName, "persistentvolumeclaims", attributes);
}

function judgePath(
  graph: NodeGraph,
  nodeName: string,
  resource: ReferencedResource,
  { namespace, name }: AuthorizationAttributes,
): Decision {
  if (!name) return noOpinion("No Object name found");
  if (graph.hasPath(nodeName, resource, namespace, name)) return ALLOW;
  return noOpinion(`no relationship found between node '${nodeName}' and this object`);
}

/** Tokens only for the accounts of pods on the node; NodeRestriction checks what each is bound to. */
function judgeServiceAccount(graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes): Decision {
  const { verb, subresource, name } = attributes;
  if (verb === "get" && !subresource) return judgePath(graph, nodeName, "serviceaccounts", attributes);
  if (verb !== "create" || !name) return noOpinion("can only create tokens for individual service accounts");
  if (subresource !== "token") return noOpinion("can only create token subresource of serviceaccount");
  return judgePath(graph, nodeName, "serviceaccounts", attributes);
}

function judgeLease(_graph: NodeGraph, nodeName: string, { verb, namespace, name }: AuthorizationAttributes): Decision {
  if (!OWN_OBJECT_VERBS.includes(verb)) {
    return noOpinion("can only get, create, update, patch, or delete a node lease");
  }
  if (namespace !== LEASE_NAMESPACE) {
    return noOpinion(`can only access leases in the "${LEASE_NAMESPACE}" system namespace`);
  }
  // The name of a lease to create stands in its body, which admission judges.
  if (verb !== "create" && name !== nodeName) {
    return noOpinion("can only access node lease with the same name as the requesting node");
  }
  return ALLOW;
}

/** Without list and watch, which would show the objects of other nodes. */
const OWN_OBJECT_VERBS = ["get", "create", "update", "patch", "delete"];

function judgeCsiNode(_graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes): Decision {
  const { verb, name, subresource } = attributes;
  if (!OWN_OBJECT_VERBS.includes(verb)) return noOpinion("can only get, create, update, patch, or delete a CSINode");
  if (subresource) return noOpinion("cannot authorize CSINode subresources");
  if (verb !== "create" && name !== nodeName) {
    return noOpinion("can only access CSINode with the same name as the requesting node");
  }
  return ALLOW;
}

/** Whose slice a single one is, admission sees; a kubelet only looks at slices as a list of its own. */
function judgeResourceSlice(_graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes): Decision {
  const { verb, subresource } = attributes;
  if (subresource) return noOpinion("cannot authorize ResourceSlice subresources");
  if (["create", "update", "patch", "delete"].includes(verb)) return ALLOW;
  if (!["list", "watch", "deletecollection"].includes(verb))
    return noOpinion("can only list, watch or write ResourceSlices");
  return selectsOwn(attributes, nodeName)
    ? ALLOW
    : noOpinion("can only list/watch/deletecollection resourceslices with spec.nodeName field selector");
}

/** For whom one is asked, admission sees; a kubelet follows those that it asked for. */
function judgePodCertificateRequest(
  _graph: NodeGraph,
  nodeName: string,
  attributes: AuthorizationAttributes,
): Decision {
  const { verb, subresource } = attributes;
  if (subresource) return noOpinion("cannot authorize PodCertificateRequest subresources");
  if (verb === "create") return ALLOW;
  if (verb !== "list" && verb !== "watch") return noOpinion("can only create, list or watch PodCertificateRequests");
  return selectsOwn(attributes, nodeName)
    ? ALLOW
    : noOpinion("can only list/watch podcertificaterequests with spec.nodeName field selector");
}

/** Which writes a node may make to its Node is for the NodeRestriction plug-in to say: it sees the object. */
function judgeNode(
  _graph: NodeGraph,
  nodeName: string,
  { verb, name, subresource }: AuthorizationAttributes,
): Decision {
  if (subresource === "status" && (verb === "update" || verb === "patch")) return ALLOW;
  if (subresource) return noOpinion(`node '${nodeName}' cannot access subresource '${subresource}' of nodes`);
  if (verb === "create" || verb === "update" || verb === "patch") return ALLOW;
  if (!["get", "list", "watch"].includes(verb)) return noOpinion("");
  if (name === nodeName) return ALLOW;
  const what = name ? `'${name}'` : "all nodes";
  return noOpinion(`node '${nodeName}' cannot read ${what}, only its own Node object`);
}

/** What a create or delete is about is not known here: NodeRestriction lets only mirror pods and own pods through. */
function judgePod(graph: NodeGraph, nodeName: string, attributes: AuthorizationAttributes): Decision {
  const { verb, subresource } = attributes;
  if (subresource === "status") return verb === "update" || verb === "patch" ? ALLOW : noOpinion("");
  if (subresource === "eviction") return verb === "create" ? ALLOW : noOpinion("");
  if (subresource) return noOpinion("");
  switch (verb) {
    case "get":
      return judgePath(graph, nodeName, "pods", attributes);
    case "list":
    case "watch":
      return selectsOwn(attributes, nodeName)
        ? ALLOW
        : noOpinion("can only list/watch pods with spec.nodeName field selector");
    case "create":
    case "delete":
      return ALLOW;
    default:
      return noOpinion("");
  }
}

/** Read by the selection's own parser, so that both mean the same. */
function selectsOwn({ fieldSelector = "" }: AuthorizationAttributes, nodeName: string): boolean {
  try {
    return parseFieldSelector(fieldSelector).requiredValue("spec.nodeName") === nodeName;
  } catch {
    return false;
  }
}

function rule(group: string, resources: string[], ...verbs: string[]): PolicyRule {
  return { apiGroups: [group], resources, verbs };
}

/** Upstream's NodeRules: what every node may do; the judges above narrow it further. Also the ClusterRole system:node. */
export const NODE_RULES: readonly PolicyRule[] = [
  rule("authentication.k8s.io", ["tokenreviews"], "create"),
  rule("authorization.k8s.io", ["localsubjectaccessreviews", "subjectaccessreviews"], "create"),
  rule("", ["services"], "get", "list", "watch"),
  rule("", ["nodes"], "create", "get", "list", "watch"),
  rule("", ["nodes/status"], "patch", "update"),
  rule("", ["nodes"], "patch", "update"),
  rule("", ["events"], "create", "patch", "update"),
  rule("", ["pods"], "get", "list", "watch"),
  rule("", ["pods"], "create", "delete"),
  rule("", ["pods/status"], "patch", "update"),
  rule("", ["pods/eviction"], "create"),
  rule("", ["configmaps", "secrets"], "get", "list", "watch"),
  rule("", ["persistentvolumeclaims", "persistentvolumes"], "get"),
  rule("", ["endpoints"], "get"),
  rule("certificates.k8s.io", ["certificatesigningrequests"], "create", "get", "list", "watch"),
  rule("coordination.k8s.io", ["leases"], "create", "delete", "get", "patch", "update"),
  rule("storage.k8s.io", ["volumeattachments"], "get"),
  rule("", ["serviceaccounts/token"], "create"),
  rule("", ["serviceaccounts"], "get"),
  rule("", ["persistentvolumeclaims/status"], "get", "patch", "update"),
  rule("storage.k8s.io", ["csidrivers"], "get", "list", "watch"),
  rule("storage.k8s.io", ["csinodes"], "create", "delete", "get", "patch", "update"),
  rule("node.k8s.io", ["runtimeclasses"], "get", "list", "watch"),
  rule("resource.k8s.io", ["resourceclaims"], "get"),
  rule(
    "resource.k8s.io",
    ["resourceslices"],
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
  ),
  rule("certificates.k8s.io", ["clustertrustbundles"], "get", "list", "watch"),
  rule("certificates.k8s.io", ["podcertificaterequests"], "create", "get", "list", "watch"),
];
