// Puts images on nodes: from an archive file, from the machine's own Docker or containerd, or from a registry.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import type { NodeLayout } from "../layout.ts";
import { NETNS_FOLDER } from "../layout.ts";
import { UserError } from "../user-error.ts";

/** containerd's namespace of the kubelet's images. */
const NAMESPACE = "k8s.io";
const HOST_CONTAINERD = "/run/containerd/containerd.sock";

/** Imports an OCI or Docker archive; names of the images come from the archive. */
export async function importArchive(node: NodeLayout, archive: string, snapshotter: string): Promise<void> {
  await commandOutput("ctr", [...target(node), "images", "import", "--snapshotter", snapshotter, archive]);
}

/** The full names of the images on a node. */
export async function listImages(node: NodeLayout): Promise<string[]> {
  const names = await commandOutput("ctr", [...target(node), "images", "list", "--quiet"]);
  return names.split("\n").filter(Boolean);
}

/** `what` is a file or an image reference; `scratch` is a folder for an export in between. */
export async function loadImage(
  nodes: readonly NodeLayout[],
  what: string,
  options: { readonly snapshotter: string; readonly scratch: string; readonly isolated: boolean },
): Promise<"file" | "host" | "registry"> {
  if (existsSync(what)) {
    await Promise.all(nodes.map((node) => importArchive(node, what, options.snapshotter)));
    return "file";
  }
  const reference = fullReference(what);
  const exported = join(options.scratch, `export-${process.pid}.tar`);
  try {
    if (await exportFromHost(what, reference, exported)) {
      await Promise.all(nodes.map((node) => importArchive(node, exported, options.snapshotter)));
      return "host";
    }
  } finally {
    rmSync(exported, { force: true });
  }
  if (options.isolated) {
    const hint = "give an archive file, or an image that the machine's Docker or containerd has";
    throw new UserError(
      `${what} is neither a file nor an image on this machine, and an isolated cluster reaches no registry`,
      hint,
    );
  }
  await Promise.all(nodes.map((node) => pull(node, reference, options.snapshotter)));
  return "registry";
}

/** As Docker reads names: `nginx` is `docker.io/library/nginx:latest`. */
export function fullReference(name: string): string {
  const [first = "", ...rest] = name.split("/");
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const withHost = hasHost ? name : `docker.io/${rest.length > 0 ? name : `library/${name}`}`;
  const last = withHost.slice(withHost.lastIndexOf("/"));
  return /[:@]/.test(last) ? withHost : `${withHost}:latest`;
}

async function exportFromHost(name: string, reference: string, file: string): Promise<boolean> {
  if (
    (await succeeds("docker", ["image", "inspect", name])) &&
    (await succeeds("docker", ["save", "-o", file, name]))
  ) {
    return true;
  }
  // Without its socket ctr would wait ten seconds for it.
  if (!existsSync(HOST_CONTAINERD)) return false;
  for (const namespace of [NAMESPACE, "default"]) {
    if (await succeeds("ctr", ["-n", namespace, "images", "export", file, reference])) return true;
  }
  return false;
}

// Without a host's Docker or containerd these tools fail at once, and the registry is next.
async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return runCommand(command, args).then(
    ({ code }) => code === 0,
    () => false,
  );
}

// ctr itself talks to the registry, so it runs where the node's own traffic leaves.
async function pull(node: NodeLayout, reference: string, snapshotter: string): Promise<void> {
  const words = ["ctr", ...target(node), "images", "pull", "--snapshotter", snapshotter, reference];
  await commandOutput("nsenter", [`--net=${NETNS_FOLDER}/${node.namespace}`, ...words]);
}

function target(node: NodeLayout): string[] {
  return ["--address", node.containerdSocket, "--namespace", NAMESPACE];
}
