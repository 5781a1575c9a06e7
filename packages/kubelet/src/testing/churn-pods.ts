// The pods that come and go while a node is being damaged: one of each sort of thing that a kubelet has to put right.
import type { Container, PodSpec } from "@skiff/api/types.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

/** Of the CSI driver that serves `inlineCsi` and `claimed`. */
export const CHURN_DRIVER = "churn.csi.example.org";

export type ChurnKind = keyof typeof KINDS;

/** Weights: how often each sort is made. */
const KINDS = {
  plain: { weight: 3, spec: plain },
  ends: { weight: 3, spec: ends },
  once: { weight: 2, spec: once },
  family: { weight: 4, spec: family },
  volumes: { weight: 3, spec: volumes },
  hostPort: { weight: 2, spec: hostPort },
  hostNetwork: { weight: 1, spec: hostNetwork },
  resizable: { weight: 2, spec: resizable },
  inlineCsi: { weight: 2, spec: inlineCsi },
  claimed: { weight: 1, spec: claimed },
} as const satisfies Record<string, { weight: number; spec: (number: number) => PodSpec }>;

/** As often as their weights say. */
export const CHURN_KINDS: readonly ChurnKind[] = Object.entries(KINDS).flatMap(([kind, { weight }]) =>
  Array<ChurnKind>(weight).fill(kind as ChurnKind),
);

/** `number` tells pods apart that must not share something, such as a port of the host. */
export function churnSpec(kind: ChurnKind, number: number): PodSpec {
  return { terminationGracePeriodSeconds: 1, restartPolicy: "Always", ...KINDS[kind].spec(number) };
}

/** The names of those containers that run for as long as the pod is there. */
export function lastingContainers({ restartPolicy, initContainers = [], containers }: PodSpec): string[] {
  if (restartPolicy !== "Always") return [];
  const sidecars = initContainers.filter((container) => container.restartPolicy === "Always");
  return [...sidecars, ...containers].map(({ name }) => name);
}

const RUN_ON = "trap 'exit 0' TERM; while true; do sleep 1; done";

function shell(name: string, script: string, more: Partial<Container> = {}): Container {
  return { name, image: BUSYBOX_IMAGE, imagePullPolicy: "Never", command: ["sh", "-c", script], ...more };
}

function plain(): PodSpec {
  return { containers: [shell("c", RUN_ON)], volumes: [{ name: "data", emptyDir: { medium: "Memory" } }] };
}

function ends(): PodSpec {
  const helper = shell("helper", RUN_ON, { restartPolicy: "Always" });
  return { restartPolicy: "OnFailure", initContainers: [helper], containers: [shell("c", "sleep 1")] };
}

/** Never started twice: should it be killed, it has failed. */
function once(): PodSpec {
  return { restartPolicy: "Never", containers: [shell("c", "sleep 3"), shell("d", "sleep 1")] };
}

function family(): PodSpec {
  const mount = { volumeMounts: [{ name: "data", mountPath: "/data" }] };
  const exec = (script: string) => ({ exec: { command: ["sh", "-c", script] } });
  const started = { startupProbe: { ...exec("cat /data/sidecar"), periodSeconds: 1, failureThreshold: 30 } };
  return {
    initContainers: [
      shell("first", "echo one > /data/first", mount),
      shell("helper", `touch /data/sidecar; ${RUN_ON}`, { ...mount, ...started, restartPolicy: "Always" }),
      shell("second", "cat /data/first /data/sidecar", mount),
    ],
    containers: [
      shell("c", `cat /data/first || exit 3; ${RUN_ON}`, {
        ...mount,
        readinessProbe: { ...exec("cat /data/first"), periodSeconds: 1, timeoutSeconds: 10 },
        livenessProbe: { ...exec("true"), periodSeconds: 2, timeoutSeconds: 10 },
        lifecycle: { postStart: exec("echo hi > /data/hook"), preStop: exec("sleep 0.3") },
      }),
      shell("d", RUN_ON),
    ],
    volumes: [{ name: "data", emptyDir: {} }],
  };
}

function volumes(): PodSpec {
  const check = "[ -s /cfg ] && [ -s /secret/key ] && [ -s /all/name ] && [ -s /all/token ] && [ -d /sub ]";
  return {
    containers: [
      shell("c", `${check} || exit 3; ${RUN_ON}`, {
        env: [{ name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
        volumeMounts: [
          { name: "config", mountPath: "/cfg", subPath: "greeting" },
          { name: "secret", mountPath: "/secret" },
          { name: "all", mountPath: "/all" },
          { name: "disk", mountPath: "/sub", subPath: "a/b" },
          { name: "memory", mountPath: "/memory", subPathExpr: "$(POD)/x" },
          { name: "host", mountPath: "/host", readOnly: true },
        ],
      }),
    ],
    volumes: [
      { name: "config", configMap: { name: "churn" } },
      { name: "secret", secret: { secretName: "churn" } },
      { name: "disk", emptyDir: {} },
      { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      { name: "host", hostPath: { path: "/etc", type: "Directory" } },
      {
        name: "all",
        projected: {
          sources: [
            { serviceAccountToken: { path: "token", expirationSeconds: 600 } },
            { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
          ],
        },
      },
    ],
  };
}

function hostPort(number: number): PodSpec {
  const ports = [{ containerPort: 80, hostPort: 21_000 + number }];
  return { containers: [shell("c", RUN_ON, { ports })] };
}

function hostNetwork(): PodSpec {
  return { hostNetwork: true, hostPID: true, containers: [shell("c", RUN_ON)] };
}

function resizable(): PodSpec {
  const amounts = { cpu: "20m", memory: "32Mi" };
  return { containers: [shell("c", RUN_ON, { resources: { requests: amounts, limits: amounts } })] };
}

function inlineCsi(): PodSpec {
  return withCsi({ name: "v", csi: { driver: CHURN_DRIVER } });
}

function claimed(): PodSpec {
  return withCsi({ name: "v", persistentVolumeClaim: { claimName: "churn" } });
}

function withCsi(volume: NonNullable<PodSpec["volumes"]>[number]): PodSpec {
  const container = shell("c", `echo x > /v/file; ${RUN_ON}`, { volumeMounts: [{ name: "v", mountPath: "/v" }] });
  return { containers: [container], volumes: [volume] };
}
