// docker-compose.yml for real: the image is built, the cluster started in a Docker daemon of its own, and used with kubectl.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { commandOutput } from "@skiff/component-base/command.ts";
import { findKubectls, KubectlRunner } from "../kubectl.ts";
import { waitFor } from "../wait-for.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const TEST_BED = join(ROOT, "deploy/docker/test-bed.sh");
const DEMO = "skiff.local/demo:1";
const REQUEST = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'";

// Not below /tmp, which may carry no overlay mounts. The daemon's network namespace has the folder's name.
const bed = mkdtempSync("/var/tmp/skiff-bed-");
const state = join(bed, "state");
const namespace = basename(bed);

before(() => commandOutput("bash", [TEST_BED, "start", bed]), { timeout: 400_000 });

after(async () => {
  await commandOutput("bash", [TEST_BED, "stop", bed]);
  rmSync(bed, { recursive: true, force: true });
});

test("compose up brings two Ready nodes, a deployment, its Service; a restarted worker heals; compose down leaves nothing", async () => {
  mkdirSync(state, { recursive: true });
  await compose("up", "--detach", "--no-build");
  const kubectl = await newestKubectl();
  await waitFor("both nodes", async () => (await kubectl.run("get", "nodes", "-o", "name")).split("\n").length > 2);
  await kubectl.run("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s");

  await kubectl.run("create", "deployment", "web", `--image=${DEMO}`, "--replicas=4");
  await kubectl.run("expose", "deployment", "web", "--port=80", "--type=NodePort");
  await kubectl.run("rollout", "status", "deployment/web", "--timeout=60s");
  const pods = await podsOf(kubectl);
  assert.deepEqual([...new Set(pods.map((pod) => pod.spec.nodeName))].sort(), ["worker-1", "worker-2"]);

  const service = await kubectl.json<ServiceObject>("get", "service", "web");
  const [first] = pods;
  const ask = (address: string) =>
    kubectl.run("exec", first!.metadata.name, "--", "sh", "-c", `${REQUEST} | nc -w 5 ${address} 80`);
  for (const pod of pods) assert.match(await ask(pod.status.podIP), new RegExp(`Hello from ${pod.metadata.name}`));
  const everyPodAnswers = () => {
    const answers = new Set<string>();
    return waitFor(
      "an answer of every pod through the Service",
      async () => {
        answers.add((await ask(service.spec.clusterIP)).trim().split("\n").at(-1) ?? "");
        return answers.size === pods.length;
      },
      { timeoutMs: 60_000 },
    );
  };
  await everyPodAnswers();
  const names = await kubectl.run("exec", first!.metadata.name, "--", "nslookup", "kube-apiserver");
  assert.match(names, /Address: 10\.250\.60\.11/, "pods ask Docker's DNS through their node");
  const port = String(service.spec.ports[0]?.nodePort);
  const node = await inBed("curl", "--silent", "--fail", "--max-time", "5", `http://10.250.60.22:${port}/`);
  assert.match(node, /Hello from web-/);

  await compose("restart", "worker-1", "kube-apiserver");
  await waitFor("the restarted worker's pods", async () => {
    const now = await podsOf(kubectl);
    const restarted = now.filter((pod) => pod.spec.nodeName === "worker-1");
    return restarted.every(({ status }) => status.containerStatuses?.every((one) => one.ready && one.restartCount > 0));
  });
  // kube-proxy looks for the apiserver again after a while only, and the pods have new addresses.
  await everyPodAnswers();

  await compose("down", "--volumes");
  assert.equal(await docker("ps", "--all", "--quiet"), "");
  assert.equal(await docker("volume", "ls", "--quiet"), "");
});

interface PodObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly podIP: string;
    readonly containerStatuses?: readonly { readonly ready: boolean; readonly restartCount: number }[];
  };
}

interface ServiceObject {
  readonly spec: { readonly clusterIP: string; readonly ports: readonly { readonly nodePort: number }[] };
}

async function newestKubectl(): Promise<KubectlRunner> {
  const kubectl = (await findKubectls()).at(-1);
  assert.ok(kubectl, "no kubectl can be had on this machine");
  return new KubectlRunner(kubectl, join(state, "kubeconfig"), namespace);
}

async function podsOf(kubectl: KubectlRunner): Promise<readonly PodObject[]> {
  return (await kubectl.json<{ items: PodObject[] }>("get", "pods", "-l", "app=web")).items;
}

function compose(...words: string[]): Promise<string> {
  const settings = [`DOCKER_HOST=unix://${bed}/docker.sock`, `SKIFF_STATE=${state}`];
  return commandOutput("env", [...settings, "docker-compose", "--project-name", "skiff", ...words], { cwd: ROOT });
}

function docker(...words: string[]): Promise<string> {
  return commandOutput("docker", ["--host", `unix://${bed}/docker.sock`, ...words]);
}

/** Runs where the daemon is: on the machine of a compose user, so to say. */
function inBed(...words: string[]): Promise<string> {
  return commandOutput("nsenter", [`--net=/run/netns/${namespace}`, ...words]);
}
