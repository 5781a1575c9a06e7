// The FlowSchemas and PriorityLevelConfigurations that every cluster has, as upstream's current release ships them.
import type { Unsaved } from "@skiff/api/object.ts";
import type {
  FlowcontrolV1Subject,
  FlowSchema,
  PriorityLevelConfiguration,
  ResourcePolicyRule,
} from "@skiff/api/types.ts";

/** Kept by the apiservers while it says "true"; a person who changes the object sets it to "false". */
export const AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec";

type Level = Unsaved<PriorityLevelConfiguration>;
type Schema = Unsaved<FlowSchema>;

/** Those without which nothing works: the spec cannot be changed. */
export const MANDATORY: ReadonlySet<string> = new Set(["exempt", "catch-all"]);

export const LEVELS: readonly Level[] = [
  level("exempt", { type: "Exempt", exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }),
  limited("catch-all", 5, 0),
  limited("system", 30, 33, { queues: 64, handSize: 6 }),
  limited("node-high", 40, 25, { queues: 64, handSize: 6 }),
  limited("leader-election", 10, 0, { queues: 16, handSize: 4 }),
  limited("workload-high", 40, 50, { queues: 128, handSize: 6 }),
  limited("workload-low", 100, 90, { queues: 128, handSize: 6 }),
  limited("global-default", 20, 50, { queues: 128, handSize: 6 }),
];

const EVERYBODY = groups("system:unauthenticated", "system:authenticated");
const LEASES = resources(["get", "create", "update"], "coordination.k8s.io", ["leases"], ["*"]);
const ALL = {
  resourceRules: [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"], clusterScope: true, namespaces: ["*"] },
  ] as ResourcePolicyRule[],
  nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
};

export const SCHEMAS: readonly Schema[] = [
  schema("exempt", "exempt", 1, undefined, groups("system:masters"), ALL),
  schema("probes", "exempt", 2, undefined, EVERYBODY, {
    nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/readyz", "/livez"] }],
  }),
  schema(
    "system-leader-election",
    "leader-election",
    100,
    "ByUser",
    [...users("system:kube-controller-manager", "system:kube-scheduler"), ...systemAccounts("*")],
    { resourceRules: [LEASES] },
  ),
  schema("system-node-high", "node-high", 400, "ByUser", groups("system:nodes"), {
    resourceRules: [
      { ...resources(["*"], "", ["nodes", "nodes/status"], ["*"]), clusterScope: true },
      resources(["*"], "coordination.k8s.io", ["leases"], ["*"]),
    ],
  }),
  schema("system-nodes", "system", 500, "ByUser", groups("system:nodes"), ALL),
  schema("kube-controller-manager", "workload-high", 800, "ByNamespace", users("system:kube-controller-manager"), ALL),
  schema("kube-scheduler", "workload-high", 800, "ByNamespace", users("system:kube-scheduler"), ALL),
  schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", systemAccounts("*"), ALL),
  schema("service-accounts", "workload-low", 9000, "ByUser", groups("system:serviceaccounts"), ALL),
  schema("global-default", "global-default", 9900, "ByUser", EVERYBODY, ALL),
  schema("catch-all", "catch-all", 10_000, "ByUser", EVERYBODY, ALL),
];

function level(name: string, spec: NonNullable<PriorityLevelConfiguration["spec"]>): Level {
  return { metadata: { name, annotations: { [AUTO_UPDATE]: "true" } }, spec };
}

function limited(
  name: string,
  nominalConcurrencyShares: number,
  lendablePercent: number,
  queuing?: { readonly queues: number; readonly handSize: number },
): Level {
  const limitResponse = queuing ? { type: "Queue", queuing: { ...queuing, queueLengthLimit: 50 } } : { type: "Reject" };
  return level(name, { type: "Limited", limited: { nominalConcurrencyShares, lendablePercent, limitResponse } });
}

function schema(
  name: string,
  levelName: string,
  matchingPrecedence: number,
  method: "ByUser" | "ByNamespace" | undefined,
  subjects: FlowcontrolV1Subject[],
  rules: Partial<typeof ALL>,
): Schema {
  return {
    metadata: { name, annotations: { [AUTO_UPDATE]: "true" } },
    spec: {
      priorityLevelConfiguration: { name: levelName },
      matchingPrecedence,
      ...(method ? { distinguisherMethod: { type: method } } : {}),
      rules: [{ subjects, ...rules }],
    },
  };
}

function users(...names: string[]): FlowcontrolV1Subject[] {
  return names.map((name) => ({ kind: "User", user: { name } }));
}

function groups(...names: string[]): FlowcontrolV1Subject[] {
  return names.map((name) => ({ kind: "Group", group: { name } }));
}

function systemAccounts(...names: string[]): FlowcontrolV1Subject[] {
  return names.map((name) => ({ kind: "ServiceAccount", serviceAccount: { name, namespace: "kube-system" } }));
}

function resources(verbs: string[], group: string, names: string[], namespaces: string[]): ResourcePolicyRule {
  return { verbs, apiGroups: [group], resources: names, namespaces };
}
