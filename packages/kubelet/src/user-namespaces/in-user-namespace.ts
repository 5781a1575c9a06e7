// Puts a container into its pod's user namespace. Pure.
import type { Mount, NamespaceOption, UserNamespace } from "../cri/types.ts";

/** The parts of a container's configuration that speak of users. */
interface Inhabited {
  readonly mounts: Mount[];
  readonly linux: { readonly securityContext: { readonly namespaceOptions: NamespaceOption } };
}

/** Of pods that share the host's users. */
export const HOST_USERS: UserNamespace = { mode: "NODE", uids: [], gids: [] };

/**
 * Files of volumes keep their owners on the disk: the runtime shows them to the container as its own ids by an id-mapped
 * mount, and so for every mount.
 */
export function inUserNamespace<T extends Inhabited>(config: T, users: UserNamespace): T {
  const { linux, mounts } = config;
  const namespaceOptions = { ...linux.securityContext.namespaceOptions, usernsOptions: users };
  const mapped = users.mode === "POD" ? { uidMappings: users.uids, gidMappings: users.gids } : {};
  return {
    ...config,
    mounts: mounts.map((mount) => ({ ...mount, ...mapped })),
    linux: { ...linux, securityContext: { ...linux.securityContext, namespaceOptions } },
  };
}
