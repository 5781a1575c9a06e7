// The serviceaccount controller: every active namespace has a ServiceAccount `default`.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import { serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Namespace } from "@skiff/api/types.ts";
import type { ControllerDefinition } from "./controller-definition.ts";
import { isNamespaceTerminating } from "./namespace-terminating.ts";
import { runReconciler } from "./run-reconciler.ts";

/** The account of pods that name none. */
const ACCOUNT = "default";

/** Pods are refused until their account exists, so this comes first in a new namespace. */
export const serviceAccountController = {
  name: "serviceaccount-controller",
  aliases: ["serviceaccount"],
  component: "service-account-controller",
  serviceAccount: "service-account-controller",
  async run(context, signal) {
    const namespaces = context.informers.namespaces();
    const accounts = context.informers.serviceAccounts();
    using queue = context.newQueue();
    const enqueue = (namespace: Readonly<Namespace>) => queue.add(namespace.metadata.name);
    using _namespaces = namespaces.addHandler({ onAdd: enqueue, onUpdate: enqueue });
    using _accounts = accounts.addHandler({
      onDelete({ metadata }) {
        if (metadata.name === ACCOUNT && metadata.namespace) queue.add(metadata.namespace);
      },
    });
    await Promise.all([namespaces.synced(signal), accounts.synced(signal)]);
    const sync = async (name: string, stop: AbortSignal) => {
      const namespace = namespaces.lister.get("", name);
      if (!namespace || !isActive(namespace) || accounts.lister.get(name, ACCOUNT)) return;
      try {
        const account = { metadata: { name: ACCOUNT, namespace: name } };
        await context.client.of(serviceAccounts).create(name, account, { signal: stop });
      } catch (error) {
        if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
      }
    };
    await runReconciler(queue, 1, sync, { signal, log: context.log, name: this.name });
  },
} satisfies ControllerDefinition;

/** Nothing can be created in a namespace that is being deleted. */
export function isActive(namespace: Readonly<Namespace>): boolean {
  return !namespace.metadata.deletionTimestamp && namespace.status?.phase !== "Terminating";
}
