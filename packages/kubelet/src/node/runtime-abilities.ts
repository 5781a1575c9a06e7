// What the node's status tells of the kubelet's and the runtime's abilities, which schedulers and people choose nodes by. Pure.
import type { NodeStatus } from "@skiff/api/types.ts";
import type { RuntimeStatus } from "../cri/types.ts";

/** What an API server may ask of this node that older kubelets do not do, by upstream's names, sorted. */
export const DECLARED_FEATURES: readonly string[] = [
  "InPlacePodLevelResourcesVerticalScaling",
  "InPlacePodVerticalScalingInitContainers",
];

/** Nothing of a runtime that does not tell, as containerd before 2.0, or that is away. */
export function runtimeAbilities(
  runtime: Pick<RuntimeStatus, "runtimeHandlers" | "features"> | undefined,
): Pick<NodeStatus, "runtimeHandlers" | "features"> {
  if (!runtime) return {};
  const handlers = runtime.runtimeHandlers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const runtimeHandlers = handlers.map(({ name, features }) => ({
    name,
    features: {
      recursiveReadOnlyMounts: features?.recursiveReadOnlyMounts ?? false,
      userNamespaces: features?.userNamespaces ?? false,
    },
  }));
  const { supplementalGroupsPolicy } = runtime.features ?? {};
  return {
    ...(runtimeHandlers.length > 0 ? { runtimeHandlers } : {}),
    ...(supplementalGroupsPolicy === undefined ? {} : { features: { supplementalGroupsPolicy } }),
  };
}
