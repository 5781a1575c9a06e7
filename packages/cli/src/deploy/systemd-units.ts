// Renders a systemd unit per program of the table, and the file of settings that they share.
import { SANDBOX_IMAGE } from "../images/builtin-images.ts";
import { renderContainerdConfig } from "../node/containerd-config.ts";
import type { ContainerdVersion } from "../node/containerd-version.ts";
import type { Place } from "../place.ts";
import type { ProgramSpec } from "../programs.ts";
import { PROGRAM_ENVIRONMENT, PROGRAMS, programCommand } from "../programs.ts";

const HEADER = `# Made from the table of programs by: node packages/cli/scripts/generate-deploy.ts. Change the table, not this file;
# for changes on one machine use: systemctl edit NAME
`;

/** File name → text. */
export function systemdFiles(): ReadonlyMap<string, string> {
  // containerd comes with a unit of its own, which Docker may use as well: only its configuration is ours.
  const units = PROGRAMS.filter((program) => program.name !== "containerd");
  return new Map([
    ...units.map((program) => [`${program.name}.service`, unitFile(program)] as const),
    ["containerd-config.toml", containerdConfig({ major: 1, minor: 6 })],
    ["containerd-2-config.toml", containerdConfig({ major: 2, minor: 1 })],
    ["skiff.env", SETTINGS],
  ]);
}

const SETTINGS = `# The settings of this machine, for all units of Skiff: copy to /etc/skiff/skiff.env and fill in.
# The addresses of the machines that run the apiserver and etcd.
SKIFF_CONTROL_PLANE=192.0.2.10
SKIFF_ETCD=192.0.2.10
# This machine as a node: its name and address, as they were given to skiff certs.
SKIFF_NODE_NAME=node-1
SKIFF_NODE_IP=192.0.2.11
# The same on all machines.
SKIFF_POD_RANGE=10.244.0.0/16
SKIFF_SERVICE_RANGE=10.96.0.0/16
# routes where all nodes share a link, vxlan elsewhere.
SKIFF_NETWORK_MODE=routes
# With systemd-resolved: /run/systemd/resolve/resolv.conf
SKIFF_RESOLV_CONF=/etc/resolv.conf
`;

/** The usual folders of a machine; what differs from one to the next is a variable of skiff.env. */
const PLACE: Place = {
  pki: "/etc/skiff/pki",
  kubeconfig: (name) => `/etc/skiff/kubeconfigs/${name}.conf`,
  controlPlane: variable("SKIFF_CONTROL_PLANE"),
  etcd: variable("SKIFF_ETCD"),
  etcdData: "/var/lib/skiff-etcd",
  podRange: variable("SKIFF_POD_RANGE"),
  serviceRange: variable("SKIFF_SERVICE_RANGE"),
  networkMode: variable("SKIFF_NETWORK_MODE") as Place["networkMode"],
  node: {
    name: variable("SKIFF_NODE_NAME"),
    address: variable("SKIFF_NODE_IP"),
    containerdConfig: "/etc/containerd/config.toml",
    containerdSocket: "/run/containerd/containerd.sock",
    kubeletRoot: "/var/lib/kubelet",
    podLogs: "/var/log/pods",
    cniConfDir: "/etc/cni/net.d",
    cniDataDir: "/var/lib/cni/networks",
    cgroup: "/",
    resolvConf: variable("SKIFF_RESOLV_CONF"),
  },
};

/** Only containerd is wanted by a unit: other programs may run on another machine. */
function unitFile(program: ProgramSpec): string {
  const { name, description, after } = program;
  const needs = after.map((other) => `${other}.service`);
  const own = needs.filter((unit) => unit === "containerd.service");
  return `${HEADER}
[Unit]
Description=${name}: ${description}
After=${["network-online.target", ...needs].join(" ")}
Wants=${["network-online.target", ...own].join(" ")}
# However often it ends, it is started again.
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/skiff/skiff.env
${environmentOf(program)}
ExecStart=${commandOf(program).join(" \\\n  ")}
Restart=always
RestartSec=1
TimeoutStopSec=40
LimitNOFILE=1048576
${confinementOf(program).join("\n")}

[Install]
WantedBy=multi-user.target
`;
}

// systemd is given absolute paths: it looks names up in folders of its own.
function commandOf(program: ProgramSpec): string[] {
  const [command, ...args] = programCommand(program, PLACE, { nodeBinary: "node", bundles: "/opt/skiff/dist" });
  return [`/usr/bin/${command}`, ...args];
}

function environmentOf({ name, bundle }: ProgramSpec): string {
  const own = Object.entries({ ...PROGRAM_ENVIRONMENT, NODE_COMPILE_CACHE: "/var/cache/skiff" });
  if (bundle) return `${own.map(([key, value]) => `Environment=${key}=${value}`).join("\n")}\nCacheDirectory=skiff`;
  if (name !== "etcd") return "";
  return "# etcd 3.4 refuses to start on arm64 unless told that its user knows.\nEnvironment=ETCD_UNSUPPORTED_ARCH=arm64";
}

/** Limits by what the table says that a program does to the machine. V8 makes code, so memory may be executable. */
function confinementOf({ name, privileges }: ProgramSpec): readonly string[] {
  if (privileges === "machine") {
    return [
      "# It mounts volumes, enters containers' namespaces and writes cgroups; what it started outlives it.",
      "Delegate=yes",
      "KillMode=process",
      "OOMScoreAdjust=-999",
      "TasksMax=infinity",
    ];
  }
  if (privileges === "network") {
    return [
      "# Rules, routes and the kernel's network settings are its work; the rest of the machine is not.",
      "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
      "ProtectSystem=yes",
      ...COMMON_LIMITS,
    ];
  }
  return [
    ...(name === "etcd" ? ["StateDirectory=skiff-etcd", "StateDirectoryMode=0700"] : []),
    "# Root without any of its powers: it reads the keys, which are root's, and nothing else of the machine.",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    ...COMMON_LIMITS,
  ];
}

/** What every program can do without, those apart that act on the whole machine. */
const COMMON_LIMITS = [
  "NoNewPrivileges=yes",
  "PrivateTmp=yes",
  "ProtectHome=yes",
  "ProtectControlGroups=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "SystemCallArchitectures=native",
] as const;

function containerdConfig(version: ContainerdVersion): string {
  const config = renderContainerdConfig({
    root: "/var/lib/containerd",
    state: "/run/containerd",
    socket: "/run/containerd/containerd.sock",
    opt: "/opt/containerd",
    cniConfDir: "/etc/cni/net.d",
    cniBinDir: "/usr/lib/cni",
    sandboxImage: SANDBOX_IMAGE,
    snapshotter: "overlayfs",
    restrictOomScore: false,
    version,
  });
  const releases = version.major >= 2 ? "2.1 and later" : "1.6 and 1.7";
  return `# For a node's /etc/containerd/config.toml, containerd ${releases}.\n${config}`;
}

// systemd fills these in where they stand within a word.
function variable(name: string): string {
  return `\${${name}}`;
}
