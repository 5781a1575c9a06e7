// Loads the bundled kube-apiserver over a real etcd and prints what it does per second, how long it takes and what it holds.
// Usage: node scripts/bench/apiserver.ts [--pods 3000] [--big 10000] [--runs 3] [--http2] [--node-flags "--cpu-prof …"]
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PROGRAM_ENVIRONMENT, PROGRAMS } from "../../packages/cli/src/programs.ts";
import { RealApiServer } from "../../packages/testkit/src/real-api-server.ts";
import { RealEtcd } from "../../packages/testkit/src/real-etcd.ts";
import { type ApiClient, http1Client, http2Client } from "./api-client.ts";
import {
  createPods,
  deletePods,
  type Figures,
  fanOut,
  getPods,
  listPods,
  listTogether,
  type PhaseContext,
  patchPods,
  percentile,
  prepare,
} from "./apiserver-phases.ts";
import { cpuMs, peakWhile, residentMb } from "./process-figures.ts";

const ROOT = join(import.meta.dirname, "..", "..");

interface Options {
  readonly pods: number;
  readonly big: number;
  readonly runs: number;
  readonly http2: boolean;
  readonly nodeFlags: readonly string[];
}

async function bench(options: Options): Promise<void> {
  execFileSync(process.execPath, [join(ROOT, "scripts", "build.ts")], { stdio: "inherit" });
  const all: Figures[] = [];
  for (let run = 0; run < options.runs; run++) all.push(await runOnce(options));
  say(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${options.http2 ? "HTTP/2" : "HTTP/1.1"}`);
  say(`commit ${execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim()}`);
  say(`median of ${options.runs} (lowest–highest)\n`);
  for (const label of all[0]?.keys() ?? []) {
    const values = all.map((figures) => figures.get(label) ?? Number.NaN);
    const range = `(${format(Math.min(...values))}–${format(Math.max(...values))})`;
    say(`${label.padEnd(42)} ${format(percentile(values, 0.5)).padStart(8)}  ${range}`);
  }
}

/** One server, from its start to its end. */
async function runOnce(options: Options): Promise<Figures> {
  const figures: Figures = new Map();
  await using etcd = await RealEtcd.start({ tls: true });
  const start = performance.now();
  await using server = await RealApiServer.start(etcd, {
    main: join(ROOT, "dist", "kube-apiserver.mjs"),
    // As `up` starts it.
    nodeFlags: [...(PROGRAMS.find(({ name }) => name === "kube-apiserver")?.nodeFlags ?? []), ...options.nodeFlags],
    env: { ...PROGRAM_ENVIRONMENT, NODE_COMPILE_CACHE: join(ROOT, "dist", ".compile-cache") },
  });
  figures.set("start to ready, ms", performance.now() - start);
  await pause(3000);
  figures.set("memory idle, MB", residentMb(server.pid).now);
  const { ca, admin } = server.pki;
  const identity = { ca: ca.cert, cert: admin.cert, key: admin.key };
  using client = (options.http2 ? http2Client : http1Client)(server.url, identity);
  await smallLoad(server.pid, client, options, figures);
  await bigLoad(server.pid, client, options, figures);
  // A profiler writes its file only when the program ends by itself.
  await server.stop();
  return figures;
}

async function smallLoad(pid: number, client: ApiClient, { pods }: Options, figures: Figures): Promise<void> {
  const context = contextOf(pid, client, figures, "bench-small", pods);
  await prepare(context);
  await createPods(context);
  await getPods(context);
  await listPods(context);
  await patchPods(context);
  await fanOut(context, 50, 200);
  await deletePods(context);
  await pause(2000);
  figures.set("memory after the load, MB", residentMb(pid).now);
  figures.set("memory at its highest, MB", residentMb(pid).peak);
}

async function bigLoad(pid: number, client: ApiClient, { big }: Options, all: Figures): Promise<void> {
  if (big === 0) return;
  const figures: Figures = new Map();
  const context = contextOf(pid, client, figures, "bench-big", big);
  await prepare(context);
  await createPods(context);
  await listPods(context);
  for (const [label, value] of figures) all.set(`${big} pods: ${label}`, value);
  all.set(`${big} pods: memory, MB`, residentMb(pid).now);
  await fanOut({ ...context, figures: all }, 1000, 20);
  const peak = await peakWhile(pid, () => listTogether({ ...context, figures: all }, 20, 3));
  all.set(`${big} pods: memory while 20 list, MB`, peak);
}

function contextOf(pid: number, client: ApiClient, figures: Figures, namespace: string, pods: number): PhaseContext {
  return { client, figures, serverCpu: () => cpuMs(pid), namespace, pods, concurrency: 32, tallies: new Map() };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const format = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const say = (line: string) => process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    pods: { type: "string", default: "3000" },
    big: { type: "string", default: "10000" },
    runs: { type: "string", default: "3" },
    http2: { type: "boolean", default: false },
    "node-flags": { type: "string", default: "" },
  },
});
await bench({
  pods: Number(values.pods),
  big: Number(values.big),
  runs: Number(values.runs),
  http2: values.http2,
  nodeFlags: values["node-flags"].split(" ").filter(Boolean),
});
