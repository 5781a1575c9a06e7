// A pod's defaults, checks, updates and deletion.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../../generated/types.ts";
import { created, judgeNew, judgeUpdate, updated } from "../judge.ts";
import { podKind } from "./pod.ts";

const container = (extra: object = {}) => ({ name: "c", image: "nginx:1", ...extra });
const pod = (spec: object = {}, extra: object = {}) => ({ spec: { containers: [container()], ...spec }, ...extra });
const withContainer = (extra: object) => pod({ containers: [container(extra)] });

test("pod defaults are upstream's", () => {
  const object = created(podKind, {
    spec: {
      serviceAccountName: "robot",
      containers: [
        {
          ...container({ image: "registry:5000/app", ports: [{ containerPort: 80 }] }),
          resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m" } },
          readinessProbe: { httpGet: { port: 80 } },
          env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
        },
      ],
      volumes: [
        { name: "none" },
        { name: "cm", configMap: { name: "x" } },
        { name: "host", hostPath: { path: "/x" } },
        { name: "all", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
      ],
    },
  });
  const { containers, volumes, ...rest } = object.spec;
  assert.deepEqual(rest, {
    serviceAccountName: "robot",
    serviceAccount: "robot",
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    securityContext: {},
    enableServiceLinks: true,
  });
  assert.equal(containers[0]?.imagePullPolicy, "Always");
  assert.deepEqual(containers[0]?.resources?.requests, { cpu: "500m", memory: "1Gi" });
  assert.deepEqual(containers[0]?.ports, [{ containerPort: 80, protocol: "TCP" }]);
  assert.deepEqual(containers[0]?.readinessProbe, {
    httpGet: { port: 80, path: "/", scheme: "HTTP" },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  assert.equal(containers[0]?.env?.[0]?.valueFrom?.fieldRef?.apiVersion, "v1");
  assert.deepEqual(volumes?.[0], { name: "none", emptyDir: {} });
  assert.equal(volumes?.[1]?.configMap?.defaultMode, 420);
  assert.equal(volumes?.[2]?.hostPath?.type, "");
  assert.equal(volumes?.[3]?.projected?.sources?.[0]?.serviceAccountToken?.expirationSeconds, 3600);
  assert.deepEqual(object.status, { phase: "Pending", qosClass: "Burstable" });
  assert.equal(object.metadata.generation, 1);
});

test("pod creation turns label keys into requirements", () => {
  const labelSelector = { matchLabels: { app: "web" } };
  const constraint = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", labelSelector };
  const object = created(
    podKind,
    pod(
      { topologySpreadConstraints: [{ ...constraint, matchLabelKeys: ["hash", "none"] }] },
      {
        metadata: { labels: { app: "web", hash: "abc" } },
      },
    ),
  );
  assert.deepEqual(object.spec.topologySpreadConstraints?.[0]?.labelSelector?.matchExpressions, [
    { key: "hash", operator: "In", values: ["abc"] },
  ]);
  assert.deepEqual(podKind.validate(object), []);
});

test("pod creation drops the status and blocks on scheduling gates", () => {
  const object = created(
    podKind,
    pod({ schedulingGates: [{ name: "example.com/wait" }] }, { status: { phase: "Running" } }),
  );
  assert.equal(object.status?.phase, "Pending");
  assert.equal(object.status?.conditions?.[0]?.reason, "SchedulingGated");
});

const IMAGE_OK: readonly object[] = [
  pod(),
  withContainer({ env: [{ name: "9-odd.name", value: "x" }] }),
  withContainer({ lifecycle: { preStop: { sleep: { seconds: 5 } } } }),
  pod({ tolerations: [{ operator: "Exists" }] }),
  pod({ hostNetwork: true, containers: [container({ ports: [{ containerPort: 80 }] })] }),
  pod({
    initContainers: [container({ name: "side", restartPolicy: "Always", startupProbe: { exec: { command: ["x"] } } })],
  }),
];

test("pod validation accepts good pods", () => {
  for (const manifest of IMAGE_OK) assert.deepEqual(judgeNew(podKind, manifest), []);
});

const BAD: readonly (readonly [string, object, ...string[]])[] = [
  ["no containers", { spec: {} }, "spec.containers: Required value"],
  [
    "no name and image",
    { spec: { containers: [{}] } },
    "spec.containers[0].name: Required value",
    "spec.containers[0].image: Required value",
  ],
  [
    "container name",
    pod({ containers: [container({ name: "A_b" })] }),
    `spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
  ],
  ["twice", pod({ containers: [container(), container()] }), 'spec.containers[1].name: Duplicate value: "c"'],
  [
    "unknown mount",
    withContainer({ volumeMounts: [{ name: "v", mountPath: "/v" }] }),
    'spec.containers[0].volumeMounts[0].name: Not found: "v"',
  ],
  [
    "request beyond limit",
    withContainer({ resources: { limits: { cpu: "1" }, requests: { cpu: "2" } } }),
    'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
  ],
  [
    "unknown resource",
    withContainer({ resources: { limits: { foo: "1" } } }),
    'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource for containers',
    'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers',
  ],
  [
    "restart policy",
    pod({ restartPolicy: "Sometimes" }),
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
  ],
  [
    "port range",
    withContainer({ ports: [{ containerPort: 70000 }] }),
    "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
  ],
  [
    "host port twice",
    withContainer({ ports: [80, 81].map((containerPort) => ({ containerPort, hostPort: 8080 })) }),
    'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8080"',
  ],
  [
    "probe without handler",
    withContainer({ livenessProbe: { successThreshold: 2 } }),
    "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
  ],
  [
    "two volume sources",
    pod({ volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/x" } }] }),
    "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
  ],
  [
    "env sources",
    withContainer({ env: [{ name: "A", value: "x", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] }),
    'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
  ],
  [
    "downward field",
    withContainer({ env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "status.phase" } } }] }),
    'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
  ],
  [
    "toleration",
    pod({ tolerations: [{ effect: "NoSchedule", tolerationSeconds: 1, operator: "Exists" }] }),
    "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set",
  ],
  [
    "node affinity",
    pod({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } }),
    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term",
  ],
  [
    "escalation",
    withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
    'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
  ],
  [
    "dns without servers",
    pod({ dnsPolicy: "None" }),
    "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
  ],
  [
    "name and labels",
    pod({}, { metadata: { name: "a_b", labels: { "x/y/z": "1" } } }),
    `metadata.name: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    `metadata.labels: Invalid value: "x/y/z": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
  ],
  [
    "restart rules",
    withContainer({ restartPolicyRules: [{ action: "Jump", exitCodes: { operator: "In", values: [1, 1] } }] }),
    "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
    'spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Jump": supported values: "Restart", "RestartAllContainers"',
    "spec.containers[0].restartPolicyRules[0].exitCodes.values[1]: Duplicate value: 1",
  ],
  [
    "claims",
    withContainer({ resources: { claims: [{ name: "gpu" }] } }),
    'spec.containers[0].resources.claims[0].name: Not found: "gpu"',
  ],
  [
    "host users",
    pod({ hostUsers: false, hostPID: true }),
    "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false",
  ],
  [
    "an unmasked /proc",
    withContainer({ securityContext: { procMount: "Unmasked" } }),
    'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
  ],
  [
    "projected token",
    pod({
      volumes: [
        { name: "t", projected: { sources: [{ serviceAccountToken: { path: "../t", expirationSeconds: 60 } }] } },
      ],
    }),
    "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
    "spec.volumes[0].projected.path: Invalid value: \"../t\": must not contain '..'",
  ],
  [
    "init container probes",
    pod({ initContainers: [container({ name: "i", readinessProbe: { exec: { command: ["x"] } } })] }),
    "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
  ],
  [
    "ephemeral on create",
    pod({ ephemeralContainers: [container({ name: "e" })] }),
    "spec.ephemeralContainers: Forbidden: cannot be set on create",
  ],
];

for (const [name, manifest, ...expected] of BAD) {
  test(`pod validation: ${name}`, () => assert.deepEqual(judgeNew(podKind, manifest), expected));
}

test("pod updates may change images, add tolerations and shorten the deadline", () => {
  const previous = created(podKind, pod({ activeDeadlineSeconds: 100 }));
  const { object, errors } = updated(podKind, previous, (next) => {
    Object.assign(next.spec.containers[0] ?? {}, { image: "nginx:2" });
    next.spec.tolerations = [{ key: "a", operator: "Exists" }];
    next.spec.activeDeadlineSeconds = 50;
  });
  assert.deepEqual(errors, []);
  assert.equal(object.metadata.generation, 2);
});

test("pod updates keep everything else", () => {
  const previous = created(podKind, pod({ tolerations: [{ key: "a", operator: "Exists" }] }));
  const [moved] = judgeUpdate(podKind, previous, (next) => {
    next.spec.nodeName = "elsewhere";
  });
  assert.match(
    moved ?? "",
    /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`,/,
  );
  assert.deepEqual(
    judgeUpdate(podKind, previous, (next) => next.spec.containers.push({ name: "d", image: "x" })),
    ["spec.containers: Forbidden: pod updates may not add or remove containers"],
  );
  assert.deepEqual(
    judgeUpdate(podKind, previous, (next) => delete next.spec.tolerations),
    ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
  );
});

test("pod updates may narrow the nodes of a gated pod", () => {
  const previous = created(podKind, pod({ schedulingGates: [{ name: "a/b" }], nodeSelector: { a: "1" } }));
  const narrow = (next: Pod) => {
    next.spec.nodeSelector = { a: "1", b: "2" };
    const term = { matchExpressions: [{ key: "c", operator: "Exists" }] };
    next.spec.affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
    };
    delete next.spec.schedulingGates;
  };
  assert.deepEqual(judgeUpdate(podKind, previous, narrow), []);
  assert.deepEqual(
    judgeUpdate(podKind, previous, (next) => Object.assign(next.spec, { nodeSelector: { b: "2" } })),
    ['spec.nodeSelector: Invalid value: {"b":"2"}: only additions are allowed (no mutations or deletions)'],
  );
  const free = created(podKind, pod());
  assert.match(judgeUpdate(podKind, free, narrow)[0] ?? "", /^spec: Forbidden/);
});

test("pod updates leave the status alone, status updates the spec", () => {
  const previous = created(podKind, pod());
  const change = (next: Pod) => {
    next.status = { phase: "Running" };
    next.spec.priority = 7;
  };
  assert.equal(updated(podKind, previous, change).object.status?.phase, "Pending");
  const { object, errors } = updated(podKind, previous, change, true);
  assert.deepEqual(
    [object.status?.phase, object.status?.qosClass, object.spec.priority],
    ["Running", "BestEffort", undefined],
  );
  assert.deepEqual(errors, []);
  const mirrored = (next: Pod) => {
    next.metadata.annotations = { "kubernetes.io/config.mirror": "x" };
  };
  assert.match(JSON.stringify(updated(podKind, previous, mirrored, true).errors), /may not add mirror pod annotation/);
});

test("pod status: a container that is done stays done", () => {
  const state = { terminated: { exitCode: 0 } };
  const status = { name: "c", image: "", imageID: "", ready: false, restartCount: 0 };
  const previous = created(podKind, pod({ restartPolicy: "OnFailure" }));
  previous.status = { ...previous.status, containerStatuses: [{ ...status, state }] };
  const restart = (next: Pod) => {
    next.status = { ...next.status, containerStatuses: [{ ...status, state: { running: {} } }] };
  };
  assert.deepEqual(judgeUpdate(podKind, previous, restart, true), [
    "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
  ]);
});

test("pod deletion is graceful only where something runs", () => {
  const grace = (spec: object, phase: string, seconds?: number) =>
    podKind.deletionGrace?.({ ...created(podKind, pod(spec)), status: { phase } }, seconds);
  assert.equal(grace({ nodeName: "n" }, "Running"), 30);
  assert.equal(grace({ nodeName: "n" }, "Running", 5), 5);
  assert.equal(grace({ nodeName: "n" }, "Running", -1), 1);
  assert.equal(grace({ nodeName: "n" }, "Succeeded", 5), 0);
  assert.equal(grace({}, "Pending", 5), 0);
});
