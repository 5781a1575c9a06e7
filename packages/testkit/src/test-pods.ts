// Pods on a real node, for the tests of one file: made from a few words, awaited, and read.
import assert from "node:assert/strict";
import { after } from "node:test";
import type { Unsaved } from "@skiff/api/object.ts";
import { configMaps, events, pods, secrets, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { ConfigMap, Container, ContainerStatus, ObjectMeta, Pod, PodSpec, Secret } from "@skiff/api/types.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { findKubectls, KubectlRunner } from "./kubectl.ts";
import { TestCluster } from "./test-cluster.ts";
import { waitFor } from "./wait-for.ts";

/** Static busybox, tini and a small web server on port 80; root unless told otherwise. */
export const DEMO = "skiff.local/demo:1";
/** A shell's words for: run until told to stop, and stop at once then. */
export const WAIT = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done";

const NAMESPACE = "default";
const options = { signal: new AbortController().signal };

export class TestPods {
  readonly cluster: TestCluster;
  readonly kubectl: KubectlRunner;
  readonly client: RestClient;

  private constructor(cluster: TestCluster, kubectl: KubectlRunner, client: RestClient) {
    this.cluster = cluster;
    this.kubectl = kubectl;
    this.client = client;
  }

  /** To be awaited at the top of a test file: a cluster of its own, which ends with the file's last test. */
  static async start(nodes = 1): Promise<TestPods> {
    const kubectl = (await findKubectls()).at(-1);
    assert.ok(kubectl, "no kubectl can be had on this machine");
    await using started = new AsyncDisposableStack();
    const cluster = started.use(await TestCluster.start(nodes));
    const deps = { clock: realClock, log: silentLogger() };
    const config = await loadKubeconfig(cluster.kubeconfig);
    const client = started.use(new RestClient(config, { userAgent: "test-pods" }, deps));
    // Admission wants the account of the namespace, which its controller makes.
    await waitFor("the default account", () => client.of(serviceAccounts).get(NAMESPACE, "default", options));
    const owned = started.move();
    after(() => owned.disposeAsync());
    return new TestPods(cluster, new KubectlRunner(kubectl, cluster.kubeconfig), client);
  }

  /** Rejects with the API's error. */
  async create(name: string, spec: PodSpec, metadata: Partial<ObjectMeta> = {}): Promise<Pod> {
    const pod = { metadata: { ...metadata, name }, spec: { terminationGracePeriodSeconds: 1, ...spec } };
    return this.client.of(pods).create(NAMESPACE, pod, options);
  }

  async createConfigMap(name: string, fields: Omit<Unsaved<ConfigMap>, "metadata">): Promise<ConfigMap> {
    return this.client.of(configMaps).create(NAMESPACE, { metadata: { name }, ...fields }, options);
  }

  async createSecret(name: string, fields: Omit<Unsaved<Secret>, "metadata">): Promise<Secret> {
    return this.client.of(secrets).create(NAMESPACE, { metadata: { name }, ...fields }, options);
  }

  /** The pod once `isSo`; what it is otherwise stands in the error. */
  async when(name: string, isSo: (pod: Pod) => boolean): Promise<Pod> {
    let last: Pod | undefined;
    try {
      return await waitFor(`pod ${name}`, async () => {
        last = await this.client.of(pods).get(NAMESPACE, name, options);
        return isSo(last) && last;
      });
    } catch (error) {
      throw new Error(`${name}: ${JSON.stringify(last?.status)}`, { cause: error });
    }
  }

  /** The pod once its one container, or the first of several, waits for this reason. */
  async whenWaiting(name: string, reason: string): Promise<ContainerStatus> {
    const pod = await this.when(name, (found) => firstStatus(found)?.state?.waiting?.reason === reason);
    return firstStatus(pod) as ContainerStatus;
  }

  /** Runs a pod of one container to its end, which must be a good one, and returns what it printed. */
  async output(name: string, container: Container, spec: Partial<PodSpec> = {}, metadata = {}): Promise<string> {
    await this.create(name, { restartPolicy: "Never", containers: [container], ...spec }, metadata);
    const pod = await this.when(name, isDone);
    const log = await this.log(name, { container: container.name });
    assert.equal(pod.status?.phase, "Succeeded", `${name}: ${log}\n${JSON.stringify(pod.status)}`);
    return log;
  }

  async log(name: string, query: Readonly<Record<string, string | number | boolean>> = {}): Promise<string> {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}/log`;
    return String((await this.client.request({ ...options, method: "GET", path, query })).body);
  }

  /** The first event of a pod whose `Reason message` fits. */
  async event(name: string, text: RegExp): Promise<string> {
    return waitFor(`event ${text} of ${name}`, async () => {
      const fieldSelector = `involvedObject.name=${name}`;
      const { items } = await this.client.of(events).list({ namespace: NAMESPACE, fieldSelector }, options);
      return items.map(({ reason, message }) => `${reason} ${message}`).find((line) => text.test(line));
    });
  }

  /** What a command prints in a pod's first container. */
  exec(name: string, script: string): Promise<string> {
    return this.kubectl.run("exec", name, "--", "sh", "-c", script);
  }
}

/** A container that runs a shell's words. */
export function shell(script: string, more: Partial<Container> = {}): Container {
  return { name: "c", image: DEMO, command: ["sh", "-c", script], ...more };
}

export function firstStatus(pod: Pod): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.[0];
}

export function isReady({ status }: Pod): boolean {
  return status?.containerStatuses?.every(({ ready }) => ready) ?? false;
}

export function isDone({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}
