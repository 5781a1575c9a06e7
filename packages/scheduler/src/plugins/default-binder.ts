// DefaultBinder: writes the decision through the pod's binding subresource.
import { pods } from "@skiff/api/resource-ref.ts";
import type { BindPlugin } from "../framework/plugin.ts";

export const defaultBinder = {
  name: "DefaultBinder",
  async bind({ pod }, nodeName, { client }, signal) {
    const { namespace = "", name, uid } = pod.metadata;
    const body = {
      apiVersion: "v1",
      kind: "Binding",
      // The UID keeps the decision from a pod that took over the name meanwhile.
      metadata: { namespace, name, uid },
      target: { kind: "Node", name: nodeName },
    };
    // The server writes spec.nodeName only where there is none, so two schedulers cannot both bind the pod.
    await client.of(pods).createSubresource(namespace, name, "binding", body, { signal });
    return "bound";
  },
} satisfies BindPlugin;
