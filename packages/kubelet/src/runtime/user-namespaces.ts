// Pods with users of their own (`hostUsers: false`): whether they can be run.
import type { CriClient } from "../cri/cri-client.ts";

/** Throws an Error that says why not, in upstream's words where it is the runtime. */
export async function refuseUserNamespace(cri: Pick<CriClient, "status">, runtimeHandler: string): Promise<never> {
  const { runtimeHandlers } = await cri.status();
  const handler = runtimeHandlers.find(({ name }) => name === runtimeHandler);
  if (handler?.features?.userNamespaces) throw new Error("user namespaces are not supported by this kubelet");
  throw new Error("can't set `spec.hostUsers: false`, runtime does not support user namespaces");
}
