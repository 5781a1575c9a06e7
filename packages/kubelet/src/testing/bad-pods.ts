// Pods that cannot run, each with the reason and the message that upstream gives for it.
import type { Pod } from "@skiff/api/types.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

export interface BadPod {
  readonly name: string;
  readonly spec: Omit<NonNullable<Pod["spec"]>, "nodeName">;
  /** Of the container's waiting state, or of the event where no container got that far. */
  readonly reason: string | RegExp;
  readonly message: RegExp;
  readonly shownBy: "container" | "event";
}

// A volume that no container mounts is not set up.
const MOUNTED = { volumeMounts: [{ name: "v", mountPath: "/v" }] };
/** Linux takes no argument and no variable longer than 128 KiB. */
const TOO_LONG = "x".repeat(140 * 1024);

export const BAD_PODS: readonly BadPod[] = [
  {
    name: "no-such-file",
    spec: podSpec(MOUNTED, { name: "v", hostPath: { path: "/nonexistent-of-skiff", type: "File" } }),
    shownBy: "event",
    reason: "FailedMount",
    message:
      /^MountVolume\.SetUp failed for volume "v" : hostPath type check failed: \/nonexistent-of-skiff is not a file$/,
  },
  {
    name: "no-such-config",
    spec: podSpec(MOUNTED, { name: "v", configMap: { name: "nope" } }),
    shownBy: "event",
    reason: "FailedMount",
    message: /^MountVolume\.SetUp failed for volume "v" : configmap "nope" not found$/,
  },
  {
    name: "no-such-item",
    spec: podSpec(MOUNTED, { name: "v", configMap: { name: "cfg", items: [{ key: "nope", path: "nope" }] } }),
    shownBy: "event",
    reason: "FailedMount",
    message: /^MountVolume\.SetUp failed for volume "v" : .*references non-existent config key: nope$/,
  },
  {
    name: "no-such-secret",
    spec: podSpec({ env: [{ name: "A", valueFrom: { secretKeyRef: { name: "nope", key: "a" } } }] }),
    shownBy: "container",
    reason: "CreateContainerConfigError",
    message: /^secret "nope" not found$/,
  },
  {
    name: "no-such-key",
    spec: podSpec({ env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "cfg", key: "nope" } } }] }),
    shownBy: "container",
    reason: "CreateContainerConfigError",
    message: /^couldn't find key nope in ConfigMap default\/cfg$/,
  },
  {
    name: "root-forbidden",
    spec: podSpec({ securityContext: { runAsNonRoot: true } }),
    shownBy: "container",
    reason: "CreateContainerConfigError",
    message:
      /^container has runAsNonRoot and image will run as root \(pod: "root-forbidden_default\(\S+\)", container: c\)$/,
  },
  {
    name: "no-such-command",
    spec: podSpec({ command: ["/nonexistent"] }),
    shownBy: "container",
    reason: /^(RunContainerError|CrashLoopBackOff)$/,
    message: /no such file or directory: unknown$|^back-off 10s restarting failed container=c /,
  },
  {
    name: "huge-variable",
    spec: podSpec({ env: [{ name: "A", value: TOO_LONG }] }),
    shownBy: "container",
    reason: /^(RunContainerError|CrashLoopBackOff)$/,
    message: /argument list too long: unknown$|^back-off 10s restarting failed container=c /,
  },
  {
    name: "doubling-variables",
    spec: podSpec({ env: doublingVariables(40) }),
    shownBy: "container",
    reason: "CreateContainerConfigError",
    message: /^the environment up to variable V2\d has more than 16777216 characters$/,
  },
  {
    // Its logs' folder carries namespace and UID as well, which Linux finds too long.
    name: "n".repeat(253),
    spec: podSpec({}),
    shownBy: "event",
    reason: "FailedCreatePodSandBox",
    message: /^Failed to create pod sandbox: ENAMETOOLONG: name too long, mkdir /,
  },
  {
    name: "more-than-any-machine",
    spec: podSpec({ resources: { requests: { cpu: "0" }, limits: { cpu: "9000000000" } } }),
    shownBy: "event",
    reason: "FailedToCreatePodContainer",
    message: /^unable to ensure pod container exists: EINVAL: invalid argument, write/,
  },
  {
    name: "folder-of-a-file",
    spec: podSpec(MOUNTED, { name: "v", hostPath: { path: "/etc/hostname", type: "DirectoryOrCreate" } }),
    shownBy: "event",
    reason: "FailedMount",
    message:
      /^MountVolume\.SetUp failed for volume "v" : hostPath type check failed: \/etc\/hostname is not a directory$/,
  },
  {
    name: "mount-over-proc",
    spec: podSpec({ volumeMounts: [{ name: "v", mountPath: "/proc/self" }] }, { name: "v", emptyDir: {} }),
    shownBy: "container",
    reason: /^(RunContainerError|CrashLoopBackOff)$/,
    message: /cannot be mounted because it is inside \/proc|^back-off 10s restarting failed container=c /,
  },
  {
    name: "file-over-folder",
    spec: podSpec(
      { volumeMounts: [{ name: "v", mountPath: "/bin" }] },
      { name: "v", hostPath: { path: "/etc/hostname", type: "File" } },
    ),
    shownBy: "container",
    reason: /^(RunContainerError|CrashLoopBackOff)$/,
    message: /not a directory|^back-off 10s restarting failed container=c /,
  },
  {
    name: "no-such-image-name",
    spec: podSpec({ image: "UPPER:bad" }),
    shownBy: "container",
    reason: "InvalidImageName",
    message:
      /^Failed to apply default image tag "UPPER:bad": couldn't parse image (name|reference) "UPPER:bad": invalid reference format/,
  },
  {
    name: "no-such-image",
    spec: podSpec({ image: "skiff.test/absent:1" }),
    shownBy: "container",
    reason: "ErrImageNeverPull",
    message: /^Container image "skiff\.test\/absent:1" is not present with pull policy of Never$/,
  },
];

/** Each is twice the one before it: the last would fill any memory. */
function doublingVariables(count: number): { name: string; value: string }[] {
  return Array.from({ length: count }, (_, index) => {
    return { name: `V${index}`, value: index === 0 ? "0123456789" : `$(V${index - 1})$(V${index - 1})` };
  });
}

type Parts = NonNullable<Pod["spec"]>;

function podSpec(container: Partial<Parts["containers"][number]>, ...volumes: NonNullable<Parts["volumes"]>): Parts {
  const base = { name: "c", image: BUSYBOX_IMAGE, imagePullPolicy: "Never", command: ["sleep", "1000"] };
  return { terminationGracePeriodSeconds: 0, containers: [{ ...base, ...container }], volumes };
}
