// For tests of kinds: a valid manifest of each, the least that its rules take.

const base64 = (text: string) => Buffer.from(text).toString("base64");
const REQUEST = base64("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n");

/** Group, kind and what its writer must say. */
export const VALID_MANIFESTS: readonly (readonly [group: string, kind: string, manifest: object])[] = [
  [
    "batch",
    "Job",
    {
      metadata: { name: "pi" },
      spec: {
        completions: 3,
        parallelism: 2,
        template: {
          spec: {
            restartPolicy: "Never",
            containers: [{ name: "c", image: "skiff.local/demo:1", command: ["sh", "-c", "exit 0"] }],
          },
        },
      },
    },
  ],
  [
    "batch",
    "CronJob",
    {
      metadata: { name: "cj" },
      spec: {
        schedule: "*/5 * * * *",
        timeZone: "Europe/Berlin",
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: "OnFailure", containers: [{ name: "c", image: "demo" }] } } },
        },
      },
    },
  ],
  [
    "apps",
    "StatefulSet",
    {
      metadata: { name: "web" },
      spec: {
        replicas: 0,
        serviceName: "web",
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "demo" }] } },
        volumeClaimTemplates: [
          {
            metadata: { name: "data" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
          },
        ],
      },
    },
  ],
  [
    "apps",
    "DaemonSet",
    {
      metadata: { name: "ds" },
      spec: {
        selector: { matchLabels: { app: "ds" } },
        template: {
          metadata: { labels: { app: "ds" } },
          spec: { nodeSelector: { none: "here" }, containers: [{ name: "c", image: "demo" }] },
        },
      },
    },
  ],
  ["apps", "ControllerRevision", { metadata: { name: "cr" }, data: { a: 1 }, revision: 1 }],
  [
    "",
    "ReplicationController",
    {
      metadata: { name: "rc" },
      spec: {
        replicas: 0,
        template: { metadata: { labels: { app: "rc" } }, spec: { containers: [{ name: "c", image: "demo" }] } },
      },
    },
  ],
  [
    "",
    "PodTemplate",
    {
      metadata: { name: "pt" },
      template: { metadata: { labels: { app: "rc" } }, spec: { containers: [{ name: "c", image: "demo" }] } },
    },
  ],
  [
    "",
    "LimitRange",
    { metadata: { name: "lr" }, spec: { limits: [{ type: "Container", max: { cpu: "2" }, default: { cpu: "1" } }] } },
  ],
  ["", "ResourceQuota", { metadata: { name: "rq" }, spec: { hard: { pods: "100", "limits.cpu": "100" } } }],
  [
    "",
    "PersistentVolume",
    {
      metadata: { name: "pv" },
      spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/tmp/x" } },
    },
  ],
  [
    "",
    "PersistentVolumeClaim",
    {
      metadata: { name: "pvc" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    },
  ],
  [
    "policy",
    "PodDisruptionBudget",
    { metadata: { name: "pdb" }, spec: { minAvailable: "50%", selector: { matchLabels: { app: "web" } } } },
  ],
  [
    "autoscaling",
    "HorizontalPodAutoscaler",
    {
      metadata: { name: "hpa" },
      spec: {
        maxReplicas: 5,
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
        behavior: { scaleDown: { stabilizationWindowSeconds: 10 } },
      },
    },
  ],
  [
    "networking.k8s.io",
    "Ingress",
    {
      metadata: { name: "ing" },
      spec: {
        ingressClassName: "nginx",
        rules: [
          {
            host: "a.example.com",
            http: {
              paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
  ],
  [
    "networking.k8s.io",
    "IngressClass",
    {
      metadata: { name: "nginx" },
      spec: {
        controller: "example.com/ingress-controller",
        parameters: { apiGroup: "k8s.example.com", kind: "IngressParameters", name: "external-lb" },
      },
    },
  ],
  [
    "networking.k8s.io",
    "NetworkPolicy",
    {
      metadata: { name: "np" },
      spec: {
        podSelector: { matchLabels: { a: "b" } },
        ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }], ports: [{ port: 80 }] }],
      },
    },
  ],
  ["networking.k8s.io", "ServiceCIDR", { metadata: { name: "sc" }, spec: { cidrs: ["10.200.0.0/24"] } }],
  [
    "networking.k8s.io",
    "IPAddress",
    {
      metadata: { name: "10.200.0.5" },
      spec: { parentRef: { resource: "services", namespace: "default", name: "kubernetes" } },
    },
  ],
  ["scheduling.k8s.io", "PriorityClass", { metadata: { name: "high" }, value: 1000 }],
  [
    "storage.k8s.io",
    "StorageClass",
    {
      metadata: { name: "std", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      provisioner: "example.com/prov",
    },
  ],
  [
    "storage.k8s.io",
    "CSIDriver",
    { metadata: { name: "csi.example.com" }, spec: { tokenRequests: [{ audience: "a" }] } },
  ],
  [
    "storage.k8s.io",
    "CSINode",
    { metadata: { name: "node-1" }, spec: { drivers: [{ name: "csi.example.com", nodeID: "n1" }] } },
  ],
  ["storage.k8s.io", "CSIStorageCapacity", { metadata: { name: "csc" }, storageClassName: "std", capacity: "10Gi" }],
  [
    "storage.k8s.io",
    "VolumeAttachment",
    {
      metadata: { name: "va" },
      spec: { attacher: "csi.example.com", nodeName: "node-1", source: { persistentVolumeName: "pv" } },
    },
  ],
  [
    "storage.k8s.io",
    "VolumeAttributesClass",
    { metadata: { name: "vac" }, driverName: "csi.example.com", parameters: { iops: "100" } },
  ],
  ["node.k8s.io", "RuntimeClass", { metadata: { name: "gvisor" }, handler: "gvisor" }],
  [
    "admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration",
    {
      metadata: { name: "vwc" },
      webhooks: [
        {
          name: "a.example.com",
          sideEffects: "None",
          failurePolicy: "Ignore",
          admissionReviewVersions: ["v1"],
          clientConfig: { url: "https://127.0.0.1:1/x" },
          rules: [
            { apiGroups: ["none.example.com"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["things"] },
          ],
        },
      ],
    },
  ],
  [
    "admissionregistration.k8s.io",
    "MutatingWebhookConfiguration",
    {
      metadata: { name: "mwc" },
      webhooks: [
        {
          name: "a.example.com",
          sideEffects: "None",
          failurePolicy: "Ignore",
          admissionReviewVersions: ["v1"],
          clientConfig: { service: { name: "s", namespace: "default" } },
          rules: [
            { apiGroups: ["none.example.com"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["things"] },
          ],
        },
      ],
    },
  ],
  [
    "admissionregistration.k8s.io",
    "ValidatingAdmissionPolicy",
    {
      metadata: { name: "vap" },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["nothing"] }],
        },
        validations: [{ expression: "object.spec.replicas <= 5" }],
      },
    },
  ],
  [
    "admissionregistration.k8s.io",
    "ValidatingAdmissionPolicyBinding",
    { metadata: { name: "vapb" }, spec: { policyName: "vap", validationActions: ["Deny"] } },
  ],
  [
    "admissionregistration.k8s.io",
    "MutatingAdmissionPolicy",
    {
      metadata: { name: "map" },
      spec: {
        reinvocationPolicy: "Never",
        matchConstraints: {
          resourceRules: [{ apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["nothing"] }],
        },
        mutations: [{ patchType: "JSONPatch", jsonPatch: { expression: "[]" } }],
      },
    },
  ],
  [
    "admissionregistration.k8s.io",
    "MutatingAdmissionPolicyBinding",
    { metadata: { name: "mapb" }, spec: { policyName: "map" } },
  ],
  [
    "apiextensions.k8s.io",
    "CustomResourceDefinition",
    {
      metadata: { name: "crontabs.stable.example.com" },
      spec: {
        group: "stable.example.com",
        names: { plural: "crontabs", kind: "CronTab", shortNames: ["ct"] },
        scope: "Namespaced",
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: {
              openAPIV3Schema: {
                type: "object",
                properties: { spec: { type: "object", properties: { cronSpec: { type: "string" } } } },
              },
            },
          },
        ],
      },
    },
  ],
  [
    "apiregistration.k8s.io",
    "APIService",
    {
      metadata: { name: "v1beta1.metrics.k8s.io" },
      spec: {
        group: "metrics.k8s.io",
        version: "v1beta1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name: "metrics", namespace: "kube-system" },
      },
    },
  ],
  [
    "flowcontrol.apiserver.k8s.io",
    "FlowSchema",
    {
      metadata: { name: "fs" },
      spec: {
        priorityLevelConfiguration: { name: "plc" },
        rules: [
          {
            subjects: [{ kind: "User", user: { name: "x" } }],
            nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
          },
        ],
      },
    },
  ],
  [
    "flowcontrol.apiserver.k8s.io",
    "PriorityLevelConfiguration",
    {
      metadata: { name: "plc" },
      spec: { type: "Limited", limited: { limitResponse: { type: "Queue", queuing: {} } } },
    },
  ],
  [
    "resource.k8s.io",
    "DeviceClass",
    {
      metadata: { name: "gpu.example.com" },
      spec: { selectors: [{ cel: { expression: "device.driver == 'gpu.example.com'" } }] },
    },
  ],
  [
    "resource.k8s.io",
    "ResourceClaim",
    {
      metadata: { name: "rcl" },
      spec: { devices: { requests: [{ name: "r", exactly: { deviceClassName: "gpu.example.com" } }] } },
    },
  ],
  [
    "resource.k8s.io",
    "ResourceClaimTemplate",
    {
      metadata: { name: "rct" },
      spec: { spec: { devices: { requests: [{ name: "r", exactly: { deviceClassName: "gpu.example.com" } }] } } },
    },
  ],
  [
    "resource.k8s.io",
    "ResourceSlice",
    {
      metadata: { name: "rs" },
      spec: {
        driver: "gpu.example.com",
        nodeName: "node-1",
        pool: { name: "node-1", generation: 1, resourceSliceCount: 1 },
        devices: [{ name: "gpu0", attributes: { model: { string: "x" } } }],
      },
    },
  ],
  [
    "certificates.k8s.io",
    "CertificateSigningRequest",
    { spec: { request: REQUEST, signerName: "kubernetes.io/kube-apiserver-client", usages: ["client auth"] } },
  ],
];
