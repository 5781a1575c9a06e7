// The node's SELinux: whether it is on, and with which label files belong to the processes of a container.
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SELinuxOptions } from "@skiff/api/types.ts";

export interface SelinuxHost {
  /** Of files for processes that run with these options; "" where they do not settle it. */
  fileLabel(options: SELinuxOptions): string;
}

/** Undefined on a node without SELinux, where nothing of this matters. `root` is for tests. */
export async function readSelinuxHost(root = "/"): Promise<SelinuxHost | undefined> {
  const text = (path: string) => readFile(join(root, path), "utf8").catch(() => "");
  const isMounted = await access(join(root, "sys/fs/selinux/enforce")).then(
    () => true,
    () => false,
  );
  // Before a policy is loaded everything is called so.
  const own = (await text("proc/self/attr/current")).replace(/\0/g, "").trim();
  if (!isMounted || own === "kernel") return undefined;
  const [, policy = "targeted"] = /^\s*SELINUXTYPE\s*=\s*(\S+)/m.exec(await text("etc/selinux/config")) ?? [];
  // Where container runtimes look, in their order.
  const places = ["usr/share/containers/selinux/contexts", `etc/selinux/${policy}/contexts/lxc_contexts`];
  let base = "";
  for (const place of places) base ||= parseFileContext(await text(place));
  return { fileLabel: (options) => fileLabel(base, options) };
}

/** The label of containers' files in the policy's list of contexts; "" where it has none. */
export function parseFileContext(text: string): string {
  const [, label = ""] = /^\s*file\s*=\s*"?([^"\s]+)"?\s*$/m.exec(text) ?? [];
  return label;
}

/**
 * As runtimes derive it: user and level are the process's, role and type are those of containers' files. Without a level
 * the runtime draws one for the container that nobody can know before.
 */
export function fileLabel(base: string, { user, level }: SELinuxOptions): string {
  const [baseUser = "", role = "", type = ""] = base.split(":");
  if (!level || !type) return "";
  return [user || baseUser, role, type, level].join(":");
}
