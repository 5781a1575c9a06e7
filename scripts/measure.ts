// Measures what the README states: seconds from `up` to Ready and to the first pod Running, pod starts, memory per program.
// Usage: node scripts/measure.ts [pods]; needs root and a built tree (./scripts/up builds it). Prints lines for people.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { DEMO_IMAGE } from "../packages/cli/src/images/builtin-images.ts";
import { credentialsOfKubeconfig } from "../packages/cli/src/pki/kubeconfig.ts";
import { listRunRecords } from "../packages/cli/src/supervisor/run-record.ts";

const SKIFF = join(import.meta.dirname, "..", "dist", "skiff.mjs");
const PODS = "/api/v1/namespaces/default/pods";

async function measure(podCount: number): Promise<void> {
  const state = mkdtempSync("/var/tmp/skiff-measure-");
  const start = performance.now();
  try {
    await skiff("up", "--isolated", "--nodes", "2", "--api-port", await freePort(), "--state", state);
    say("up to nodes Ready", `${seconds(performance.now() - start)} s`);
    const api = new Api(join(state, "kubeconfig"));
    await api.startPod("first");
    say("up to the first pod Running", `${seconds(performance.now() - start)} s`);
    const starts: number[] = [];
    for (let index = 0; index < podCount; index += 1) starts.push(await api.startPod(`pod-${index}`));
    say(`one pod, create to Running, p50 of ${podCount}`, `${Math.round(median(starts))} ms`);
    // A quiet while later, garbage of the start is gone.
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    for (const { key, process: found } of listRunRecords(join(state, "run")))
      say(`memory of ${key}`, `${residentMb(found.pid)} MB`);
  } finally {
    await skiff("down", "--purge", "--state", state);
    rmSync(state, { recursive: true, force: true });
  }
}

/** Several of these may run on one machine. */
async function freePort(): Promise<string> {
  await using server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  return String((server.address() as AddressInfo).port);
}

class Api {
  private readonly credentials: ReturnType<typeof credentialsOfKubeconfig>;

  constructor(kubeconfig: string) {
    this.credentials = credentialsOfKubeconfig(readFileSync(kubeconfig, "utf8"));
  }

  /** Milliseconds from the request to the event that says Running. */
  async startPod(name: string): Promise<number> {
    const watch = await this.ask("GET", `${PODS}?watch=true&fieldSelector=metadata.name%3D${name}`);
    const running = untilRunning(watch);
    const start = performance.now();
    const pod = {
      metadata: { name },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "main", image: DEMO_IMAGE }] },
    };
    const created = await this.ask("POST", PODS, JSON.stringify({ apiVersion: "v1", kind: "Pod", ...pod }));
    created.resume();
    if (created.statusCode !== 201) throw new Error(`creating a pod was answered ${created.statusCode}`);
    await running;
    const took = performance.now() - start;
    watch.destroy();
    (await this.ask("DELETE", `${PODS}/${name}`)).resume();
    return took;
  }

  private ask(method: string, path: string, body?: string): Promise<IncomingMessage> {
    const { server, ...tls } = this.credentials;
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const outgoing = request(`${server}${path}`, { method, headers, agent: false, ...tls }, resolve);
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}

function untilRunning(watch: IncomingMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    watch.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes('"phase":"Running"')) resolve();
    });
    watch.on("error", reject);
  });
}

function skiff(...words: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SKIFF, ...words], { stdio: ["ignore", "ignore", "inherit"] });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`skiff ${words[0]} ended with ${code}`))));
  });
}

/** Without containerd's shims, which belong to their pods. */
function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(45)} ${value}\n`);
}

// Last, because a class exists only from its definition on.
await measure(Number(process.argv[2] ?? 15));
