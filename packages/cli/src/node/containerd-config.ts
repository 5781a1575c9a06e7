// Renders a node's own containerd configuration: its folders, its CNI folders, the local sandbox image.
import type { ContainerdVersion } from "./containerd-version.ts";

/** Everything in which two nodes' containerds differ. */
export interface ContainerdSettings {
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  readonly opt: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  readonly sandboxImage: string;
  readonly snapshotter: "overlayfs" | "native";
  /** Without CAP_SYS_RESOURCE the kernel refuses lower OOM scores, and sandboxes would not start. */
  readonly restrictOomScore: boolean;
  /** Whose names of plug-ins and options are wanted. */
  readonly version: ContainerdVersion;
}

/** TOML. Snapshotters that need devices or file systems of their own are off, as they only complain at each start. */
export function renderContainerdConfig(settings: ContainerdSettings): string {
  const isNew = settings.version.major >= 2;
  return `version = ${isNew ? 3 : 2}
root = ${quote(settings.root)}
state = ${quote(settings.state)}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = ${quote(settings.socket)}

[ttrpc]
  address = ${quote(`${settings.socket}.ttrpc`)}

[plugins."io.containerd.internal.v1.opt"]
  path = ${quote(settings.opt)}

${isNew ? splitCri(settings) : wholeCri(settings)}`;
}

/** containerd leaves containers' limits of huge pages away unless it is told otherwise; without the controller it still does. */
const HUGE_PAGES = `  disable_hugetlb_controller = false
  tolerate_missing_hugetlb_controller = true`;

/** containerd 1.x has the CRI as one plug-in. */
function wholeCri(settings: ContainerdSettings): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `[${cri}]
  sandbox_image = ${quote(settings.sandboxImage)}
  restrict_oom_score_adj = ${settings.restrictOomScore}
${HUGE_PAGES}
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [${cri}.cni]
    conf_dir = ${quote(settings.cniConfDir)}
    bin_dir = ${quote(settings.cniBinDir)}

  [${cri}.containerd]
    snapshotter = ${quote(settings.snapshotter)}

${runcHandler(cri, settings)}
  [${cri}.registry]
    config_path = "/etc/containerd/certs.d"
`;
}

/** containerd 2.x has one for images, one for containers, and one for the socket. It would read the old form, too, but deprecates it. */
function splitCri(settings: ContainerdSettings): string {
  const images = 'plugins."io.containerd.cri.v1.images"';
  const runtime = 'plugins."io.containerd.cri.v1.runtime"';
  const { major, minor } = settings.version;
  // 2.0 knows one folder only; 2.1 took a list, and the single one goes with a later release.
  const bin = quote(settings.cniBinDir);
  const binDirs = major > 2 || minor >= 1 ? `bin_dirs = [${bin}]` : `bin_dir = ${bin}`;
  return `[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

[${images}]
  snapshotter = ${quote(settings.snapshotter)}

  [${images}.pinned_images]
    sandbox = ${quote(settings.sandboxImage)}

  [${images}.registry]
    config_path = "/etc/containerd/certs.d"

[${runtime}]
  restrict_oom_score_adj = ${settings.restrictOomScore}
${HUGE_PAGES}
  netns_mounts_under_state_dir = true

  [${runtime}.cni]
    conf_dir = ${quote(settings.cniConfDir)}
    ${binDirs}

${runcHandler(runtime, settings)}`;
}

/** runc's own state lies beside that of containerd, and not with the host's containers. */
function runcHandler(plugin: string, { state }: ContainerdSettings): string {
  return `    [${plugin}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [${plugin}.containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = ${quote(`${state}/runc`)}
`;
}

// TOML's basic strings escape as JSON's do.
function quote(text: string): string {
  return JSON.stringify(text);
}
