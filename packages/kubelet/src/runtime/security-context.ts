// Security contexts of pods and containers as the runtime takes them. Pure but for the image's user, which it is given.
import { join } from "node:path";
import type { Container, Pod, SELinuxOptions, SeccompProfile } from "@skiff/api/types.ts";
import type {
  Image,
  LinuxContainerSecurityContext,
  NamespaceMode,
  NamespaceOption,
  PodSandboxConfig,
  SecurityProfile,
  SeLinuxOption,
  UserNamespace,
} from "../cri/types.ts";
import { ContainerConfigError } from "../env/make-env.ts";

/**
 * The usual lists of container runtimes: what leaks from the host, and what must not be written. procMount Unmasked
 * lifts both.
 */
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** The container's security context; throws ContainerConfigError where it may not run as root but would. */
export function containerSecurityContext(
  pod: Pod,
  container: Container,
  image: Pick<Image, "uid" | "username">,
  options: { readonly seccompRoot: string; readonly seccompDefault?: boolean; readonly targetId?: string | undefined },
): LinuxContainerSecurityContext {
  const own = container.securityContext;
  const shared = pod.spec?.securityContext;
  const runAsUser = own?.runAsUser ?? shared?.runAsUser;
  const runAsGroup = own?.runAsGroup ?? shared?.runAsGroup;
  verifyNonRoot(pod, container, image);
  const selinux = own?.seLinuxOptions ?? shared?.seLinuxOptions;
  const unmasked = own?.procMount === "Unmasked";
  // A name can only be looked up inside the image, which the runtime does.
  // An image that names none runs as root, which has to be said: a group alone is no identity for the runtime.
  const imageUser =
    image.uid || image.username === ""
      ? { runAsUser: { value: image.uid?.value ?? 0 } }
      : { runAsUsername: image.username };
  return {
    privileged: own?.privileged ?? false,
    namespaceOptions: namespaceOptions(pod, options.targetId),
    readonlyRootfs: own?.readOnlyRootFilesystem ?? false,
    supplementalGroups: supplementalGroups(pod),
    ...(shared?.supplementalGroupsPolicy === "Strict" ? { supplementalGroupsPolicy: "Strict" } : {}),
    noNewPrivs: own?.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : MASKED_PATHS,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    ...(own?.capabilities
      ? {
          capabilities: {
            addCapabilities: own.capabilities.add ?? [],
            dropCapabilities: own.capabilities.drop ?? [],
          },
        }
      : {}),
    ...(runAsUser === undefined ? imageUser : { runAsUser: { value: runAsUser } }),
    ...(runAsGroup === undefined ? {} : { runAsGroup: { value: runAsGroup } }),
    ...(selinux ? { selinuxOptions: selinuxOption(selinux) } : {}),
    seccomp: seccompProfile(
      own?.seccompProfile ?? shared?.seccompProfile ?? defaultProfile(options),
      options.seccompRoot,
    ),
    ...apparmorOf(own?.appArmorProfile ?? shared?.appArmorProfile),
  };
}

/** The security context of the pod's sandbox. */
export function sandboxSecurityContext(pod: Pod, users: UserNamespace): PodSandboxConfig["linux"]["securityContext"] {
  const shared = pod.spec?.securityContext;
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return {
    namespaceOptions: { ...namespaceOptions(pod, undefined), usernsOptions: users },
    privileged: containers.some((container) => container.securityContext?.privileged),
    supplementalGroups: supplementalGroups(pod),
    ...(shared?.supplementalGroupsPolicy === "Strict" ? { supplementalGroupsPolicy: "Strict" } : {}),
    ...(shared?.runAsUser === undefined ? {} : { runAsUser: { value: shared.runAsUser } }),
    ...(shared?.runAsGroup === undefined || shared.runAsUser === undefined
      ? {}
      : { runAsGroup: { value: shared.runAsGroup } }),
    ...(shared?.seLinuxOptions ? { selinuxOptions: selinuxOption(shared.seLinuxOptions) } : {}),
    // Upstream confines the sandbox's own process by the default profile whatever its containers ask for.
    seccomp: { profileType: "RuntimeDefault" },
  };
}

/** `targetId` puts an ephemeral container into the process namespace of another container. */
function namespaceOptions(pod: Pod, targetId: string | undefined): NamespaceOption {
  const spec = pod.spec;
  return {
    network: spec?.hostNetwork ? "NODE" : "POD",
    ipc: spec?.hostIPC ? "NODE" : "POD",
    pid: targetId ? "TARGET" : pidMode(pod),
    ...(targetId ? { targetId } : {}),
  };
}

/** By default each container sees only its own processes. */
function pidMode(pod: Pod): NamespaceMode {
  if (pod.spec?.hostPID) return "NODE";
  return pod.spec?.shareProcessNamespace ? "POD" : "CONTAINER";
}

function supplementalGroups(pod: Pod): number[] {
  const shared = pod.spec?.securityContext;
  const groups = [...(shared?.supplementalGroups ?? [])];
  // Files of volumes belong to this group, so its members must be in it.
  if (shared?.fsGroup !== undefined) groups.push(shared.fsGroup);
  return groups;
}

/** runAsNonRoot is a check and no setting: it names no user, so an image's named one cannot be judged. */
function verifyNonRoot(pod: Pod, container: Container, image: Pick<Image, "uid" | "username">): void {
  const own = container.securityContext;
  const shared = pod.spec?.securityContext;
  if (!(own?.runAsNonRoot ?? shared?.runAsNonRoot)) return;
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  const user = own?.runAsUser ?? shared?.runAsUser;
  if (user !== undefined) {
    if (user !== 0) return;
    throw new ContainerConfigError(`container's runAsUser breaks non-root policy ${where}`);
  }
  if (image.uid) {
    if (Number(image.uid.value) !== 0) return;
    throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  }
  if (image.username === "") {
    throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  }
  throw new ContainerConfigError(
    `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
  );
}

function defaultProfile({ seccompDefault }: { readonly seccompDefault?: boolean }): SeccompProfile | undefined {
  return seccompDefault ? { type: "RuntimeDefault" } : undefined;
}

function seccompProfile(profile: SeccompProfile | undefined, root: string): SecurityProfile {
  if (profile?.type === "RuntimeDefault") return { profileType: "RuntimeDefault" };
  if (profile?.type === "Localhost") {
    return { profileType: "Localhost", localhostRef: join(root, profile.localhostProfile ?? "") };
  }
  return { profileType: "Unconfined" };
}

function apparmorOf(profile: { type: string; localhostProfile?: string | undefined } | undefined): {
  apparmor?: SecurityProfile;
} {
  if (profile?.type === "RuntimeDefault") return { apparmor: { profileType: "RuntimeDefault" } };
  if (profile?.type === "Unconfined") return { apparmor: { profileType: "Unconfined" } };
  if (profile?.type === "Localhost") {
    return { apparmor: { profileType: "Localhost", localhostRef: profile.localhostProfile ?? "" } };
  }
  return {};
}

function selinuxOption({ user, role, type, level }: SELinuxOptions): SeLinuxOption {
  return { user, role, type, level };
}
