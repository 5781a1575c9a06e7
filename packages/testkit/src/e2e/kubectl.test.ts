// What a user does with a cluster, with an old kubectl and a current one: from `get nodes` to `delete`.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Deployment, Node, Pod, Service } from "@skiff/api/types.ts";
import { freePorts } from "../free-port.ts";
import { findKubectls, type Kubectl, KubectlRunner } from "../kubectl.ts";
import { TestCluster } from "../test-cluster.ts";
import { waitFor } from "../wait-for.ts";

const DEMO = "skiff.local/demo:1";
const kubectls = await findKubectls();

let cluster: TestCluster;
let scratch: string;

before(async () => {
  assert.ok(kubectls.length > 0, "no kubectl can be had on this machine");
  scratch = mkdtempSync(join(tmpdir(), "skiff-e2e-"));
  cluster = await TestCluster.start(2);
});

after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

/** One kubectl in a namespace of its own; its tests build on each other. */
class Journey {
  readonly namespace: string;
  readonly version: string;
  private readonly found: Kubectl;

  constructor(found: Kubectl) {
    this.found = found;
    this.version = found.version;
    this.namespace = `v${found.version.replace(".", "-")}`;
  }

  get runner(): KubectlRunner {
    return new KubectlRunner(this.found, cluster.kubeconfig);
  }

  kubectl(...args: string[]): Promise<string> {
    return this.runner.run("-n", this.namespace, ...args);
  }

  json<T>(...args: string[]): Promise<T> {
    return this.runner.json<T>("-n", this.namespace, ...args);
  }

  async webPods(): Promise<Pod[]> {
    return (await this.json<{ items: Pod[] }>("get", "pods", "-l", "app=web")).items;
  }

  async webPod(): Promise<string> {
    const pod = (await this.webPods()).find((item) => !item.metadata.deletionTimestamp);
    assert.ok(pod?.metadata.name);
    return pod.metadata.name;
  }

  rolledOut(): Promise<string> {
    return this.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  }
}

for (const found of kubectls) {
  describe(`kubectl ${found.version}`, () => {
    const journey = new Journey(found);
    for (const part of [runsDeployment, streams, changesDeployment, appliesAndDeletes]) part(journey);
  });
}

function runsDeployment(on: Journey): void {
  test("get nodes shows two Ready nodes with addresses, runtime and kernel", async () => {
    const { items } = await on.runner.json<{ items: Node[] }>("get", "nodes");
    assert.deepEqual(
      items.map((node) => node.metadata.name),
      ["node-1", "node-2"],
    );
    const table = await on.runner.run("get", "nodes", "-o", "wide");
    for (const node of cluster.nodeNames) {
      assert.match(table, new RegExp(`${node}\\s+Ready\\s.*${cluster.addressOf(node)}\\s.*containerd://`));
    }
  });

  test("create deployment runs on both nodes", async () => {
    await on.runner.run("create", "namespace", on.namespace);
    await on.kubectl("create", "deployment", "web", `--image=${DEMO}`, "--replicas=4");
    await on.rolledOut();
    const nodes = new Set((await on.webPods()).map((pod) => pod.spec.nodeName));
    assert.deepEqual([...nodes].sort(), ["node-1", "node-2"]);
  });

  test("an exposed ClusterIP answers from a node and from a pod, a NodePort from the host", async () => {
    await on.kubectl("expose", "deployment", "web", "--port=80", "--type=NodePort");
    const service = await on.json<Service>("get", "service", "web");
    const { clusterIP } = service.spec;
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0;
    const fromNode = () => cluster.onNode("node-2", "curl", "-sS", "--max-time", "3", `http://${clusterIP}/`);
    assert.match(await waitFor("the ClusterIP from a node", fromNode), /^Hello from web-/);
    const asked = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${clusterIP} 80`;
    const pod = await on.webPod();
    const fromPod = await waitFor("the ClusterIP from a pod", () => on.kubectl("exec", pod, "--", "sh", "-c", asked));
    assert.match(fromPod, /Hello from web-/);
    for (const node of cluster.nodeNames) {
      assert.match(await get(cluster.addressOf(node), nodePort), /^Hello from web-/, node);
    }
    assert.match(await get(clusterIP!, 80), /^Hello from web-/, "the ClusterIP from the host");
  });

  test("all four pods answer behind the Service", async () => {
    const { spec } = await on.json<Service>("get", "service", "web");
    const seen = new Set<string>();
    await waitFor("an answer of each pod", async () => {
      seen.add(await get(spec.clusterIP!, 80));
      return seen.size === 4;
    });
  });

  test("describe tells a pod's events", async () => {
    const pod = await on.webPod();
    const reasons = ["Scheduled", "Pulled", "Created", "Started"];
    // Each program tells its events when it has nothing more pressing to do.
    await waitFor("the pod's events", async () => {
      const found = await on.kubectl("describe", "pod", pod);
      return reasons.every((reason) => new RegExp(`Normal\\s+${reason}`).test(found));
    });
  });
}

function streams(on: Journey): void {
  test("logs -f follows", async () => {
    const pod = await on.webPod();
    const { status } = await on.json<Pod>("get", "pod", pod);
    const follow = on.runner.start("-n", on.namespace, "logs", "-f", pod);
    try {
      let text = "";
      follow.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      await get(status!.podIP!, 80);
      await waitFor("the request in the log", () => text.includes("url:/"));
      const before = text.length;
      await get(status!.podIP!, 80);
      await waitFor("the next request in the log", () => text.length > before);
    } finally {
      follow.kill();
    }
  });

  test("exec passes input, output and exit codes, with a terminal and without", async () => {
    const pod = await on.webPod();
    assert.equal(await on.runner.runWith("typed", "-n", on.namespace, "exec", "-i", pod, "--", "cat"), "typed");
    const failed = await on.runner.try(
      "-n",
      on.namespace,
      "exec",
      pod,
      "--",
      "sh",
      "-c",
      "echo out; echo err >&2; exit 7",
    );
    assert.equal(failed.code, 7);
    assert.equal(failed.stdout, "out\n");
    assert.match(failed.stderr, /err/);
    const shown = await on.runner.onTerminal("tty; exit\n", ["-n", on.namespace, "exec", "-it", pod, "--", "sh"]);
    assert.match(shown, /\/dev\/pts\/\d/);
  });

  test("cp carries a file there and back", async () => {
    const pod = await on.webPod();
    const there = join(scratch, `there-${on.version}`);
    const back = join(scratch, `back-${on.version}`);
    writeFileSync(there, "x".repeat(300_000));
    await on.kubectl("cp", there, `${pod}:/tmp/file`);
    await on.kubectl("cp", `${pod}:/tmp/file`, back);
    assert.equal(readFileSync(back, "utf8"), readFileSync(there, "utf8"));
  });

  test("port-forward carries requests", async () => {
    const [port = 0] = await freePorts(1);
    const forward = on.runner.start("-n", on.namespace, "port-forward", "deployment/web", `${port}:80`);
    try {
      const answer = () => get("127.0.0.1", port);
      assert.match(await waitFor("the forwarded port", answer), /^Hello from web-/);
      assert.match(await answer(), /^Hello from web-/);
    } finally {
      forward.kill();
    }
  });
}

function changesDeployment(on: Journey): void {
  test("rollout restart replaces the pods, and undo brings the older template back", async () => {
    const old = (await on.webPods()).map((pod) => pod.metadata.name);
    await on.kubectl("rollout", "restart", "deployment/web");
    await on.rolledOut();
    const restarted = (await on.webPods()).filter((pod) => !pod.metadata.deletionTimestamp);
    assert.ok(restarted.every((pod) => !old.includes(pod.metadata.name)));
    await on.kubectl("set", "env", "deployment/web", "COLOUR=blue");
    await on.rolledOut();
    await on.kubectl("rollout", "undo", "deployment/web");
    await on.rolledOut();
    const { spec } = await on.json<Deployment>("get", "deployment", "web");
    assert.equal(spec.template.spec?.containers[0]?.env, undefined);
    assert.match(await on.kubectl("rollout", "history", "deployment/web"), /REVISION/);
  });

  test("scale changes the number of pods", async () => {
    await on.kubectl("scale", "deployment/web", "--replicas=1");
    await waitFor("one pod", async () => (await on.webPods()).length === 1);
    await on.kubectl("scale", "deployment/web", "--replicas=3");
    await on.rolledOut();
    assert.equal((await on.webPods()).filter((pod) => !pod.metadata.deletionTimestamp).length, 3);
  });

  test("edit and label change an object", async () => {
    await on.runner.onTerminal("", ["-n", on.namespace, "edit", "deployment/web"], {
      KUBE_EDITOR: "sed -i s/replicas:.3/replicas:\\ 2/",
    });
    assert.equal((await on.json<Deployment>("get", "deployment", "web")).spec.replicas, 2);
    await on.kubectl("label", "deployment/web", "tier=front");
    assert.match(await on.kubectl("get", "deployments", "-l", "tier=front", "-o", "name"), /deployment.apps\/web/);
    await on.kubectl("label", "deployment/web", "tier-");
    assert.equal(await on.kubectl("get", "deployments", "-l", "tier=front", "-o", "name"), "");
  });
}

function appliesAndDeletes(on: Journey): void {
  test("apply creates, finds nothing to do, and changes only what changed", async () => {
    // With a token volume that the server adds, kubectl sees another order of volumes and says "configured" every time.
    const manifest = (value: string) => `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: ${value}}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  containers:
  - name: reader
    image: ${DEMO}
    command: [sh, -c, "echo $(cat /settings/colour); sleep 1000"]
    volumeMounts: [{name: settings, mountPath: /settings}]
  volumes: [{name: settings, configMap: {name: settings}}]
`;
    const apply = (value: string) => on.runner.runWith(manifest(value), "-n", on.namespace, "apply", "-f", "-");
    assert.match(await apply("red"), /configmap\/settings created\npod\/reader created/);
    assert.match(await apply("red"), /configmap\/settings unchanged\npod\/reader unchanged/);
    assert.match(await apply("green"), /configmap\/settings configured\npod\/reader unchanged/);
    await on.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=30s");
    await waitFor("the pod's line in its log", async () => /red|green/.test(await on.kubectl("logs", "reader")));
  });

  test("bad objects are refused in upstream's words and nothing is stored", async () => {
    const bad = "apiVersion: v1\nkind: Pod\nmetadata: {name: Bad_Name}\nspec: {containers: [{name: a, image: b}]}\n";
    await assert.rejects(
      on.runner.runWith(bad, "-n", on.namespace, "create", "--validate=false", "-f", "-"),
      /RFC 1123/,
    );
    await assert.rejects(on.kubectl("get", "pod", "nobody"), /pods "nobody" not found/);
  });

  test("delete takes everything away, and a namespace what is in it", async () => {
    await on.kubectl("delete", "service/web", "deployment/web");
    await waitFor("the pods of web to go", async () => (await on.webPods()).length === 0);
    await on.runner.run("delete", "namespace", on.namespace, "--timeout=60s");
    await assert.rejects(on.runner.run("get", "namespace", on.namespace), /not found/);
  });
}

/** The body of `http://HOST:PORT/`, from the host. */
function get(host: string, port: number): Promise<string> {
  const signal = AbortSignal.timeout(3000);
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path: "/", agent: false, signal }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
