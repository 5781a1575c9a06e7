// The phases of the apiserver benchmark: what is done, and which figures it gives.
import type { ApiClient, Call } from "./api-client.ts";

export type Figures = Map<string, number>;

export interface PhaseContext {
  readonly client: ApiClient;
  readonly figures: Figures;
  /** Processor time of the server so far, ms. */
  readonly serverCpu: () => number;
  readonly namespace: string;
  readonly pods: number;
  readonly concurrency: number;
  /** A phase may be done in parts, so that two servers can take turns in it. */
  readonly turn?: { readonly index: number; readonly of: number };
  /** What the parts have come to so far, by label. */
  readonly tallies: Map<string, Tally>;
}

interface Tally {
  count: number;
  ms: number;
  cpuMs: number;
  readonly latencies: number[];
}

/** Makes the namespace and what its pods need. */
export async function prepare({ client, namespace }: PhaseContext): Promise<void> {
  const post = (path: string, name: string) =>
    client.call({ method: "POST", path, body: JSON.stringify({ metadata: { name } }) });
  await post("/api/v1/namespaces", namespace);
  await post(`/api/v1/namespaces/${namespace}/serviceaccounts`, "default");
}

export async function createPods(context: PhaseContext): Promise<void> {
  const path = podsPath(context);
  await many(context, "create", context.pods, (k) => ({ method: "POST", path, body: podBody(`p${k}`) }));
}

export async function getPods(context: PhaseContext): Promise<void> {
  const path = podsPath(context);
  await many(context, "get", 6000, (k) => ({ method: "GET", path: `${path}/p${k % context.pods}` }));
}

export async function listPods(context: PhaseContext): Promise<void> {
  const path = podsPath(context);
  const table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  await repeat(context, "list", { method: "GET", path });
  await repeat(context, "list rv=0", { method: "GET", path: `${path}?resourceVersion=0` });
  await repeat(context, "list limit=500", { method: "GET", path: `${path}?limit=500` });
  await repeat(context, "list Table", { method: "GET", path, accept: table });
}

export async function patchPods(context: PhaseContext): Promise<void> {
  const path = podsPath(context);
  const body = JSON.stringify({ metadata: { labels: { step: "two" } } });
  const type = "application/strategic-merge-patch+json";
  const count = Math.min(context.pods, 2000);
  await many(context, "patch", count, (k) => ({ method: "PATCH", path: `${path}/p${k}`, body, type }));
}

/** Every watcher sees every change; the time ends when the last one has seen the last. */
export async function fanOut(context: PhaseContext, watchers: number, changes: number): Promise<void> {
  const { client, figures, serverCpu } = context;
  const path = podsPath(context);
  const list = await client.call({ method: "GET", path: `${path}?limit=1` });
  const version = JSON.parse(list.body.toString()).metadata.resourceVersion as string;
  let seen = 0;
  const done = Promise.withResolvers<void>();
  const count = (line: Buffer) => {
    if (line.includes('"fan":"') && ++seen === watchers * changes) done.resolve();
  };
  const watch = `${path}?watch=true&resourceVersion=${version}`;
  const open = Array.from({ length: watchers }, () => client.watch(watch, count));
  await untilWatched(client, watchers);
  const cpu = serverCpu();
  const start = performance.now();
  for (let k = 0; k < changes; k++) {
    const body = JSON.stringify({ metadata: { annotations: { fan: String(k) } } });
    const type = "application/merge-patch+json";
    await client.call({ method: "PATCH", path: `${path}/p${k % context.pods}`, body, type });
  }
  await done.promise;
  const label = `fan-out to ${watchers}`;
  figures.set(`${label}, events/s`, (watchers * changes) / ((performance.now() - start) / 1000));
  figures.set(`${label}, server CPU µs/event`, ((serverCpu() - cpu) * 1000) / (watchers * changes));
  for (const one of open) one[Symbol.dispose]();
}

async function untilWatched(client: ApiClient, watchers: number): Promise<void> {
  for (;;) {
    const { body } = await client.call({ method: "GET", path: "/metrics" });
    // Releases differ in how the metric names what is watched.
    const found = /apiserver_registered_watchers\{[^}]*"(?:pods|Pod)"[^}]*\} (\d+)/.exec(body.toString());
    if (Number(found?.[1] ?? 0) >= watchers) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function deletePods(context: PhaseContext): Promise<void> {
  const path = podsPath(context);
  const query = "?gracePeriodSeconds=0";
  await many(context, "delete", context.pods, (k) => ({ method: "DELETE", path: `${path}/p${k}${query}` }));
}

/** Every client lists everything again and again, so that their answers are on the way at the same time. */
export async function listTogether(context: PhaseContext, clients: number, rounds: number): Promise<void> {
  const path = podsPath(context);
  const one = async () => {
    for (let i = 0; i < rounds; i++) must(await context.client.call({ method: "GET", path }), "list");
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: clients }, one));
  context.figures.set(`${clients} clients listing, MB/s`, 0);
  const { body } = await context.client.call({ method: "GET", path });
  const megabytes = (body.length * clients * rounds) / 1e6;
  context.figures.set(`${clients} clients listing, MB/s`, megabytes / ((performance.now() - start) / 1000));
}

async function many(context: PhaseContext, label: string, count: number, make: (k: number) => Call): Promise<void> {
  const { client, figures, serverCpu, concurrency } = context;
  const tally = tallyOf(context, label);
  const [first, end] = partOf(context, count);
  let next = first;
  const cpu = serverCpu();
  const start = performance.now();
  const worker = async () => {
    while (next < end) {
      const sent = performance.now();
      must(await client.call(make(next++)), label);
      tally.latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  tally.count += end - first;
  tally.ms += performance.now() - start;
  tally.cpuMs += serverCpu() - cpu;
  figures.set(`${label} /s`, (tally.count * 1000) / tally.ms);
  figures.set(`${label} p99, ms`, percentile(tally.latencies, 0.99));
  figures.set(`${label}, server CPU µs`, (tally.cpuMs * 1000) / tally.count);
}

function tallyOf({ tallies }: PhaseContext, label: string): Tally {
  const known = tallies.get(label);
  if (known) return known;
  const made: Tally = { count: 0, ms: 0, cpuMs: 0, latencies: [] };
  tallies.set(label, made);
  return made;
}

/** From and to of this turn's part. */
function partOf({ turn = { index: 0, of: 1 } }: PhaseContext, count: number): [number, number] {
  return [Math.floor((count * turn.index) / turn.of), Math.floor((count * (turn.index + 1)) / turn.of)];
}

async function repeat(context: PhaseContext, label: string, call: Call): Promise<void> {
  const { client, figures, serverCpu } = context;
  const tally = tallyOf(context, label);
  const [first, end] = partOf(context, 20);
  const cpu = serverCpu();
  for (let i = first; i < end; i++) {
    const start = performance.now();
    const reply = await client.call(call);
    tally.latencies.push(performance.now() - start);
    must(reply, label);
    if (label === "list") figures.set("list, MB", reply.body.length / 1e6);
  }
  tally.cpuMs += serverCpu() - cpu;
  figures.set(`${label} p50, ms`, percentile(tally.latencies, 0.5));
  figures.set(`${label}, server CPU ms`, tally.cpuMs / tally.latencies.length);
}

function must({ code, body }: { code: number; body: Buffer }, what: string): void {
  if (code >= 300) throw new Error(`${what} was answered ${code}: ${body.toString().slice(0, 300)}`);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function podsPath({ namespace }: PhaseContext): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** A pod as small deployments have it; stored, it takes about 2 KB. */
function podBody(name: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: "bench", tier: "a" }, annotations: { note: "x".repeat(200) } },
    spec: {
      nodeName: "no-such-node",
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: "main",
          image: "registry.example/pause:3.9",
          resources: { requests: { cpu: "10m", memory: "16Mi" } },
          env: [
            { name: "A", value: "b" },
            { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          ],
          ports: [{ containerPort: 80 }],
        },
      ],
    },
  });
}
