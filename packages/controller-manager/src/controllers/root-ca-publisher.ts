// The root CA publisher: every active namespace has a ConfigMap `kube-root-ca.crt`, by which pods trust the apiserver.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import { configMaps } from "@skiff/api/resource-ref.ts";
import type { ConfigMap, Namespace } from "@skiff/api/types.ts";
import type { ControllerContext, ControllerDefinition } from "./controller-definition.ts";
import { isNamespaceTerminating } from "./namespace-terminating.ts";
import { runReconciler } from "./run-reconciler.ts";
import { isActive } from "./service-account.ts";

/** Upstream's name and key: every pod's projected token volume refers to them. */
const NAME = "kube-root-ca.crt";
const FILE = "ca.crt";
const DESCRIPTION_KEY = "kubernetes.io/description";
const DESCRIPTION =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/** A changed or deleted copy is put right at once. */
export const rootCaPublisher = {
  name: "root-ca-certificate-publisher-controller",
  aliases: ["root-ca-cert-publisher"],
  component: "root-ca-cert-publisher",
  serviceAccount: "root-ca-cert-publisher",
  async run(context, signal) {
    const ca = context.config.rootCa;
    if (!ca) {
      context.log.warn("no root CA is configured, so no namespace gets kube-root-ca.crt");
      return;
    }
    const namespaces = context.informers.namespaces();
    const published = context.informers.rootCaConfigMaps();
    using queue = context.newQueue();
    const enqueueNamespace = (namespace: Readonly<Namespace>) => queue.add(namespace.metadata.name);
    const enqueueOf = ({ metadata }: Readonly<ConfigMap>) => {
      if (metadata.name === NAME && metadata.namespace) queue.add(metadata.namespace);
    };
    using _namespaces = namespaces.addHandler({ onAdd: enqueueNamespace, onUpdate: enqueueNamespace });
    using _published = published.addHandler({ onUpdate: enqueueOf, onDelete: enqueueOf });
    await Promise.all([namespaces.synced(signal), published.synced(signal)]);
    const sync = async (name: string, stop: AbortSignal) => {
      const namespace = namespaces.lister.get("", name);
      if (namespace && isActive(namespace)) await publish(context, name, published.lister.get(name, NAME), ca, stop);
    };
    await runReconciler(queue, 1, sync, { signal, log: context.log, name: this.name });
  },
} satisfies ControllerDefinition;

async function publish(
  { client }: Pick<ControllerContext, "client">,
  namespace: string,
  current: Readonly<ConfigMap> | undefined,
  ca: string,
  signal: AbortSignal,
): Promise<void> {
  const annotations = { ...current?.metadata.annotations, [DESCRIPTION_KEY]: DESCRIPTION };
  const data = { [FILE]: ca };
  if (current) {
    // The cached version goes along, so a change that crossed ours makes this fail and be done again.
    if (isPublished(current, ca)) return;
    await client
      .of(configMaps)
      .update({ ...current, metadata: { ...current.metadata, annotations }, data }, { signal });
    return;
  }
  try {
    await client
      .of(configMaps)
      .create(namespace, { metadata: { name: NAME, namespace, annotations }, data }, { signal });
  } catch (error) {
    if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
  }
}

/** Anything beside the one file is somebody's mistake and is taken out. */
function isPublished({ data, metadata }: Readonly<ConfigMap>, ca: string): boolean {
  const isOnlyFile = data?.[FILE] === ca && Object.keys(data).length === 1;
  return isOnlyFile && metadata.annotations?.[DESCRIPTION_KEY] !== undefined;
}
