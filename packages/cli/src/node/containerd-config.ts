// Renders a node's own containerd configuration: its folders, its CNI folders, the local sandbox image.

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
}

/** TOML. Snapshotters that need devices or file systems of their own are off, as they only complain at each start. */
export function renderContainerdConfig(settings: ContainerdSettings): string {
  // Version 2 of the format, which containerd 1.x and 2.x both read.
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
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

[${cri}]
  sandbox_image = ${quote(settings.sandboxImage)}
  restrict_oom_score_adj = ${settings.restrictOomScore}
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [${cri}.cni]
    conf_dir = ${quote(settings.cniConfDir)}
    bin_dir = ${quote(settings.cniBinDir)}

  [${cri}.containerd]
    snapshotter = ${quote(settings.snapshotter)}

    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false

  [${cri}.registry]
    config_path = "/etc/containerd/certs.d"
`;
}

// TOML's basic strings escape as JSON's do.
function quote(text: string): string {
  return JSON.stringify(text);
}
