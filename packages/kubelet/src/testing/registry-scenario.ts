// Pulls from a registry that wants a password, on one real node; images/registry.component.test.ts runs it in a namespace.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configMaps, events, nodes, pods, secrets, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { ContainerStatus, PodSpec } from "@skiff/api/types.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { LoopbackRegistry } from "./loopback-registry.ts";
import { NODE_NAME, NodeUnderTest } from "./node-under-test.ts";

const options = { signal: new AbortController().signal };
const LOGIN = "puller:s3cret";
const PROTOCOL = "credentialprovider.kubelet.k8s.io/v1";
const AUDIENCE = "registry-login";
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
    const account = { name: "default", annotations: { "example.com/role": "puller" } };
    await client.of(serviceAccounts).create("default", { metadata: account }, options);
    const root = { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": "x" } };
    await client.of(configMaps).create("default", root, options);
    await Promise.all([
      this.refusesWithoutLogin(),
      this.refusesWrongLogin(),
      this.pullsWithSecret(),
      this.pullsWithPlugin(),
      this.pullsWithFile(),
      this.pullsWithAccount(),
    ]);
    assert.equal(this.node.kubeletLog.includes("s3cret"), false, "a password is in the log");
    await this.remembersOverRestart();
  }

  /** One plug-in knows the images below `plugged/`, another those below `account/` for accounts with a role. */
  private async providerFlags(): Promise<string[]> {
    const dir = this.providerDir;
    await mkdir(dir);
    const common = { apiVersion: PROTOCOL, defaultCacheDuration: "1m" };
    const tokenAttributes = {
      serviceAccountTokenAudience: AUDIENCE,
      cacheType: "ServiceAccount",
      requireServiceAccount: true,
      requiredServiceAccountAnnotationKeys: ["example.com/role"],
    };
    const providers = [
      { ...common, name: "plug", matchImages: [await this.makePlugin("plug", "plugged")] },
      { ...common, name: "account", matchImages: [await this.makePlugin("account", "account")], tokenAttributes },
    ];
    const config = { apiVersion: "kubelet.config.k8s.io/v1", kind: "CredentialProviderConfig", providers };
    await writeFile(join(dir, "config.json"), JSON.stringify(config));
    const serial = "--serialize-image-pulls=false";
    return [
      serial,
      `--image-credential-provider-config=${dir}/config.json`,
      `--image-credential-provider-bin-dir=${dir}`,
    ];
  }

  private get providerDir(): string {
    return join(this.node.containerd.dir, "providers");
  }

  /** It keeps what it is asked in a file; returns which images it is for. */
  private async makePlugin(name: string, path: string): Promise<string> {
    const dir = this.providerDir;
    const where = `${this.registry.host}/${path}`;
    const [username, password] = LOGIN.split(":");
    const auth = { [where]: { username, password } };
    const answer = { apiVersion: PROTOCOL, kind: "CredentialProviderResponse", cacheKeyType: "Registry", auth };
    const script = `#!/bin/sh\ncat > ${dir}/${name}.asked\necho '${JSON.stringify(answer)}'\n`;
    await writeFile(join(dir, name), script, { mode: 0o755 });
    return where;
  }

  private async refusesWithoutLogin(): Promise<void> {
    await this.create("nobody", "open/app:1");
    const first = await this.waiting("nobody", "ErrImagePull");
    const image = `${this.registry.host}/open/app:1`;
    assert.ok(first.includes(`failed to pull and unpack image "${image}"`), first);
    assert.match(first, /(401 Unauthorized|authorization failed)/);
    const later = await this.waiting("nobody", "ImagePullBackOff");
    assert.equal(later, `Back-off pulling image "${image}": ErrImagePull: ${first}`);
    // Events wait while pods start.
    const message = `Failed to pull image "${image}": ${first}`;
    await waitFor("the event of the failed pull", async () => {
      const { items } = await this.node.client.of(events).list({ namespace: "default" }, options);
      const ofPod = items.filter(({ involvedObject }) => involvedObject.name === "nobody");
      return ofPod.some((one) => one.reason === "Failed" && one.message === message);
    });
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
    await Promise.all([this.sharesWithFellow(), this.refusesStrangers()]);
  }

  /** The image is on the node, and the Secret that it was pulled with is the pod's too. */
  private async sharesWithFellow(): Promise<void> {
    await this.create("fellow", "private/app:1", { imagePullSecrets: [{ name: "right" }] });
    await this.running("fellow");
    await this.says("fellow", "Pulled", /already present on machine and can be accessed by the pod$/);
  }

  /** The image is on the node, which a pod that could not pull it is not to profit from, nor to learn. */
  private async refusesStrangers(): Promise<void> {
    await this.create("stranger", "private/app:1");
    assert.match(await this.waiting("stranger", "ErrImagePull"), /(401 Unauthorized|authorization failed)/);
    await this.create("guesser", "private/app:1", {}, "Never");
    const image = `${this.registry.host}/private/app:1`;
    const message = await this.waiting("guesser", "ErrImageNeverPull");
    assert.equal(message, `Container image "${image}" is not present with pull policy of Never`);
  }

  /** Who may use what is on disk: the next kubelet knows it, also by another Secret with the same login. */
  private async remembersOverRestart(): Promise<void> {
    await this.createSecret("copy", LOGIN);
    await this.node.stopKubelet("SIGKILL");
    this.node.startKubelet("--serialize-image-pulls=false");
    await this.create("later", "private/app:1", { imagePullSecrets: [{ name: "copy" }] });
    await this.running("later");
    await this.says("later", "Pulled", /can be accessed by the pod$/);
    await this.create("outsider", "private/app:1");
    await this.waiting("outsider", "ErrImagePull");
  }

  private says(name: string, reason: string, message: RegExp): Promise<boolean> {
    return waitFor(`${name} to be told of by ${message}`, async () => {
      const { items } = await this.node.client.of(events).list({ namespace: "default" }, options);
      const own = items.filter((one) => one.involvedObject.name === name && one.reason === reason);
      return own.some((one) => message.test(one.message ?? ""));
    });
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

  /** The API grants a node tokens for the audiences that the pod names, so the pod names it. */
  private async pullsWithAccount(): Promise<void> {
    const sources = [{ serviceAccountToken: { audience: AUDIENCE, path: "token" } }];
    await this.create("accounted", "account/app:1", { volumes: [{ name: "t", projected: { sources } }] });
    await this.running("accounted");
    const asked = JSON.parse(await readFile(join(this.providerDir, "account.asked"), "utf8"));
    assert.deepEqual(asked.serviceAccountAnnotations, { "example.com/role": "puller" });
    const [, claims = ""] = String(asked.serviceAccountToken).split(".");
    const { aud, "kubernetes.io": bound } = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
    assert.deepEqual([aud, bound.pod.name, bound.serviceaccount.name], [[AUDIENCE], "accounted", "default"]);
    assert.equal(this.node.kubeletLog.includes(claims), false, "a token is in the log");
  }

  private async createSecret(name: string, login: string): Promise<void> {
    const auths = { [this.registry.host]: { auth: Buffer.from(login).toString("base64") } };
    const data = { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") };
    const secret = { metadata: { name }, type: "kubernetes.io/dockerconfigjson", data };
    await this.node.client.of(secrets).create("default", secret, options);
  }

  private async create(name: string, path: string, more: Partial<PodSpec> = {}, policy?: string): Promise<void> {
    const pull = policy ? { imagePullPolicy: policy } : {};
    const containers = [{ name: "c", image: `${this.registry.host}/${path}`, ...pull }];
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
