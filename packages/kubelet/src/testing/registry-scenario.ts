// Pulls from a registry that wants a password, on one real node; images/registry.component.test.ts runs it in a namespace.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configMaps, events, nodes, pods, secrets, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { ContainerStatus, PodSpec } from "@skiff/api/types.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { LoopbackRegistry } from "./loopback-registry.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";

const options = { signal: new AbortController().signal };
const LOGIN = "puller:s3cret";
const IMAGE = { ref: "served/app:1", files: { "bin/busybox": "/bin/busybox" }, cmd: ["/bin/busybox", "sleep", "1000"] };

/** Rejects at the first step that goes wrong, with the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  await using registry = await LoopbackRegistry.start(IMAGE, LOGIN, join(node.containerd.dir, "registry"));
  const scenario = new Scenario(node, registry);
  try {
    await scenario.run();
  } catch (error) {
    const { items } = await node.client.of(events).list({}, options);
    const told = items.map(({ involvedObject, message }) => `${involvedObject.name}: ${message}`);
    const what = [(error as Error).message, ...told, node.kubeletLog.slice(-6000)];
    throw new Error(what.join("\n"), { cause: error });
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly registry: LoopbackRegistry;

  constructor(node: NodeUnderTest, registry: LoopbackRegistry) {
    this.node = node;
    this.registry = registry;
  }

  async run(): Promise<void> {
    this.node.startKubelet(...(await this.providerFlags()));
    const { client } = this.node;
    await waitFor("the node to be ready", async () => {
      const { status } = await client.of(nodes).get("", NODE_NAME, options);
      return status?.conditions?.some((one) => one.type === "Ready" && one.status === "True");
    });
    // What a controller manager would have made.
    await client.of(serviceAccounts).create("default", { metadata: { name: "default" } }, options);
    const root = { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": "x" } };
    await client.of(configMaps).create("default", root, options);
    await Promise.all([
      this.refusesWithoutLogin(),
      this.refusesWrongLogin(),
      this.pullsWithSecret(),
      this.pullsWithPlugin(),
      this.pullsWithFile(),
    ]);
    assert.equal(this.node.kubeletLog.includes("s3cret"), false, "a password is in the log");
  }

  /** The plug-in knows the images below `plugged/` alone. */
  private async providerFlags(): Promise<string[]> {
    const dir = join(this.node.containerd.dir, "providers");
    const version = "credentialprovider.kubelet.k8s.io/v1";
    const [username, password] = LOGIN.split(":");
    const auth = { [`${this.registry.host}/plugged`]: { username, password } };
    const answer = { apiVersion: version, kind: "CredentialProviderResponse", cacheKeyType: "Registry", auth };
    await mkdir(dir);
    await writeFile(join(dir, "plug"), `#!/bin/sh\ncat > ${dir}/asked\necho '${JSON.stringify(answer)}'\n`, {
      mode: 0o755,
    });
    const matchImages = [`${this.registry.host}/plugged`];
    const providers = [{ name: "plug", apiVersion: version, matchImages, defaultCacheDuration: "1m" }];
    const config = { apiVersion: "kubelet.config.k8s.io/v1", kind: "CredentialProviderConfig", providers };
    await writeFile(join(dir, "config.json"), JSON.stringify(config));
    const serial = "--serialize-image-pulls=false";
    return [
      serial,
      `--image-credential-provider-config=${dir}/config.json`,
      `--image-credential-provider-bin-dir=${dir}`,
    ];
  }

  private async refusesWithoutLogin(): Promise<void> {
    await this.create("nobody", "open/app:1");
    const first = await this.waiting("nobody", "ErrImagePull");
    const image = `${this.registry.host}/open/app:1`;
    assert.ok(first.includes(`failed to pull and unpack image "${image}"`), first);
    assert.match(first, /(401 Unauthorized|authorization failed)/);
    const later = await this.waiting("nobody", "ImagePullBackOff");
    assert.equal(later, `Back-off pulling image "${image}": ErrImagePull: ${first}`);
    const { items } = await this.node.client.of(events).list({ namespace: "default" }, options);
    const failed = items.find((one) => one.involvedObject.name === "nobody" && one.reason === "Failed");
    assert.equal(failed?.message, `Failed to pull image "${image}": ${first}`);
  }

  private async refusesWrongLogin(): Promise<void> {
    await this.createSecret("wrong", "puller:wrong");
    await this.create("mistaken", "closed/app:1", { imagePullSecrets: [{ name: "wrong" }, { name: "missing" }] });
    assert.match(await this.waiting("mistaken", "ErrImagePull"), /(401 Unauthorized|authorization failed)/);
    assert.ok(this.registry.logins.includes("puller:wrong"));
  }

  private async pullsWithSecret(): Promise<void> {
    await this.createSecret("right", LOGIN);
    await this.create("known", "private/app:1", { imagePullSecrets: [{ name: "right" }] });
    const status = await this.running("known");
    assert.match(status.imageID ?? "", /\/app@sha256:[0-9a-f]{64}$/);
  }

  private async pullsWithPlugin(): Promise<void> {
    // The pod's own login is tried first, and the plug-in's after it has failed.
    await this.createSecret("outdated", "puller:old");
    await this.create("plugged", "plugged/app:1", { imagePullSecrets: [{ name: "outdated" }] });
    await this.running("plugged");
    assert.ok(this.registry.logins.includes("puller:old"));
  }

  /** As `docker login` leaves it; the node's own, for images below `filed/` alone. */
  private async pullsWithFile(): Promise<void> {
    const auths = { [`${this.registry.host}/filed`]: { auth: Buffer.from(LOGIN).toString("base64") } };
    await writeFile(join(this.node.rootDir, "config.json"), JSON.stringify({ auths }));
    await this.create("filed", "filed/app:1");
    await this.running("filed");
  }

  private async createSecret(name: string, login: string): Promise<void> {
    const auths = { [this.registry.host]: { auth: Buffer.from(login).toString("base64") } };
    const data = { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") };
    const secret = { metadata: { name }, type: "kubernetes.io/dockerconfigjson", data };
    await this.node.client.of(secrets).create("default", secret, options);
  }

  private async create(name: string, path: string, more: Partial<PodSpec> = {}): Promise<void> {
    const containers = [{ name: "c", image: `${this.registry.host}/${path}` }];
    const spec = { nodeName: NODE_NAME, terminationGracePeriodSeconds: 0, containers, ...more };
    await this.node.client.of(pods).create("default", { metadata: { name }, spec }, options);
  }

  private async status(name: string): Promise<ContainerStatus | undefined> {
    return (await this.node.client.of(pods).get("default", name, options)).status?.containerStatuses?.[0];
  }

  private waiting(name: string, reason: string): Promise<string> {
    return waitFor(`${name} to be ${reason}`, async () => {
      const { waiting } = (await this.status(name))?.state ?? {};
      return waiting?.reason === reason && (waiting.message ?? "");
    });
  }

  private running(name: string): Promise<ContainerStatus> {
    return waitFor(`${name} to run`, async () => {
      const status = await this.status(name);
      return status?.state?.running && status;
    });
  }
}
