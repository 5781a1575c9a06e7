// Loads Skiff's kube-apiserver and another build of kube-apiserver side by side, phase by phase, and prints both and the ratio.
// Usage: node scripts/bench/beside-upstream.ts --upstream PATH [--etcd PATH] [--runs 3] [--pods 3000] [--big 10000] [--http2]
//   --generator FILE  lets another load generator do the work: node FILE skiff=URL,TOKEN upstream=URL,TOKEN
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PROGRAM_ENVIRONMENT, PROGRAMS } from "../../packages/cli/src/programs.ts";
import { RealApiServer } from "../../packages/testkit/src/real-api-server.ts";
import { RealEtcd } from "../../packages/testkit/src/real-etcd.ts";
import { administratorToken } from "./administrator-token.ts";
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
  readonly upstream: string;
  readonly etcd: string;
  readonly pods: number;
  readonly big: number;
  readonly runs: number;
  readonly http2: boolean;
  readonly generator: string | undefined;
  readonly nodeFlags: readonly string[];
}

/** One of the two servers, on an etcd of its own. */
interface Side extends AsyncDisposable {
  readonly name: "skiff" | "upstream";
  readonly server: RealApiServer;
  readonly figures: Figures;
}

async function compare(options: Options): Promise<void> {
  execFileSync(process.execPath, [join(ROOT, "scripts", "build.ts")], { stdio: "inherit" });
  if (options.generator) return await compareWith(options.generator, options);
  // The first one warms the generator up: the servers are fresh in each run, and must not pay for its compiler.
  await runOnce({ ...options, pods: 500, big: 0 }, 0);
  const runs: (readonly Side[])[] = [];
  for (let run = 0; run < options.runs; run++) {
    runs.push(await runOnce(options, run));
    say(`run ${run + 1} of ${options.runs}, load ${loadavg()[0]?.toFixed(1)}`);
  }
  report(runs);
}

/** Both servers from their start to their end; they take turns in every phase, and in who begins. */
async function runOnce(options: Options, run: number): Promise<readonly Side[]> {
  await using stack = new AsyncDisposableStack();
  const sides = await startBoth(options, run, stack);
  await pause(3000);
  const loads = sides.map((side) => {
    const { ca, admin } = side.server.pki;
    const identity = { ca: ca.cert, cert: admin.cert, key: admin.key };
    const client = stack.use((options.http2 ? http2Client : http1Client)(side.server.url, identity));
    side.figures.set("memory idle, MB", residentMb(side.server.pid).now);
    return { side, client };
  });
  await inTurns(loads, (load) => contextOf(load, load.side.figures, "bench-small", options.pods), SMALL_LOAD);
  await pause(SETTLE_MS);
  for (const { server, figures } of sides) figures.set("memory after the load, MB", residentMb(server.pid).now);
  if (options.big > 0) {
    await inTurns(loads, (load) => contextOf(load, new Map(), "bench-big", options.big), bigLoad(loads, options.big));
  }
  // A profiler writes its file only when the program ends by itself.
  for (const { server } of sides) await server.stop();
  return sides;
}

type Load = { readonly side: Side; readonly client: ApiClient };
type Phase = (context: PhaseContext) => Promise<void>;

const fanOutToFew: Phase = (context) => fanOut(context, 50, 200);
const SMALL_LOAD: readonly Phase[] = [prepare, createPods, getPods, listPods, patchPods, fanOutToFew, deletePods];
/** Phases that are not done in parts. */
const WHOLE = new Set<Phase>([prepare, fanOutToFew]);

function bigLoad(loads: readonly Load[], pods: number): readonly Phase[] {
  const sideOf = (context: PhaseContext) => {
    const load = loads.find(({ client }) => client === context.client);
    if (!load) throw new Error("a client of nobody");
    return load.side;
  };
  const kept = (phase: Phase): Phase => {
    return async (context) => {
      const figures: Figures = new Map();
      await phase({ ...context, figures });
      for (const [label, value] of figures) sideOf(context).figures.set(`${pods} pods: ${label}`, value);
    };
  };
  const memory: Phase = async (context) => {
    const { server, figures } = sideOf(context);
    figures.set(`${pods} pods: memory, MB`, residentMb(server.pid).now);
  };
  const together = kept(async (context) => {
    const peak = await peakWhile(sideOf(context).server.pid, () => listTogether(context, 20, 3));
    context.figures.set("memory while 20 list, MB", peak);
  });
  const fanOutToMany = kept((context) => fanOut(context, 1000, 20));
  for (const phase of [memory, fanOutToMany, together]) WHOLE.add(phase);
  return [prepare, kept(createPods), kept(listPods), memory, fanOutToMany, together];
}

async function inTurns(
  loads: readonly Load[],
  contextFor: (load: Load) => PhaseContext,
  phases: readonly Phase[],
): Promise<void> {
  const contexts = loads.map(contextFor);
  for (const phase of phases) {
    const of = WHOLE.has(phase) ? 1 : TURNS;
    for (let index = 0; index < of; index++) {
      // Whoever follows finds the caches of the processor as the other left them.
      const order = index % 2 === 0 ? contexts : contexts.toReversed();
      for (const context of order) await phase({ ...context, turn: { index, of } });
    }
  }
}

/** What the machine does beside changes within seconds, so both must meet it alike. */
const TURNS = 10;

function contextOf({ side, client }: Load, figures: Figures, namespace: string, pods: number): PhaseContext {
  return {
    client,
    figures,
    serverCpu: () => cpuMs(side.server.pid),
    namespace,
    pods,
    concurrency: 32,
    tallies: new Map(),
  };
}

async function startBoth(options: Options, run: number, stack: AsyncDisposableStack): Promise<readonly Side[]> {
  const sides = [stack.use(await startSkiff(options)), stack.use(await startUpstream(options))];
  return run % 2 === 0 ? sides : sides.reverse();
}

async function startSkiff({ etcd, nodeFlags }: Options): Promise<Side> {
  return await startSide("skiff", etcd, {
    main: join(ROOT, "dist", "kube-apiserver.mjs"),
    // As `up` starts it.
    nodeFlags: [...(PROGRAMS.find(({ name }) => name === "kube-apiserver")?.nodeFlags ?? []), ...nodeFlags],
    env: { ...PROGRAM_ENVIRONMENT, NODE_COMPILE_CACHE: join(ROOT, "dist", ".compile-cache") },
  });
}

/** The same flags and what that build needs beyond them. */
async function startUpstream({ etcd, upstream }: Options): Promise<Side> {
  return await startSide("upstream", etcd, {
    command: upstream,
    flags: [
      "--authorization-mode=Node,RBAC",
      "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
      "--service-cluster-ip-range=10.96.0.0/12",
    ],
  });
}

async function startSide(
  name: Side["name"],
  command: string,
  options: Parameters<typeof RealApiServer.start>[1],
): Promise<Side> {
  const etcd = await RealEtcd.start({ tls: true, command });
  const start = performance.now();
  const server = await RealApiServer.start(etcd, options);
  const figures: Figures = new Map([["start to ready, ms", performance.now() - start]]);
  const end = async () => {
    await server[Symbol.asyncDispose]();
    await etcd[Symbol.asyncDispose]();
  };
  return { name, server, figures, [Symbol.asyncDispose]: end };
}

/** Fresh servers for each run of a generator that knows nothing of either. */
async function compareWith(generator: string, options: Options): Promise<void> {
  for (let run = 0; run < options.runs; run++) {
    await using stack = new AsyncDisposableStack();
    const sides = await startBoth(options, run, stack);
    const targets: string[] = [];
    for (const { name, server } of sides) {
      targets.push(`${name}=${server.url},${await administratorToken(server.url, server.pki)}`);
    }
    await pause(3000);
    const child = spawn(process.execPath, [generator, ...targets, "--pods", String(options.pods)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    await once(child, "close");
    await pause(SETTLE_MS);
    const memory = sides.map(({ name, server }) => `${name} ${format(residentMb(server.pid).now)}`).join(", ");
    say(`memory after the load, MB: ${memory}; load of the machine ${loadavg()[0]?.toFixed(1)}\n`);
  }
}

/** Medians with the lowest and the highest; the ratio is the median of the runs' own ratios. */
function report(runs: readonly (readonly Side[])[]): void {
  say(`\n${"".padEnd(44)} ${"skiff".padEnd(24)} ${"upstream".padEnd(24)} skiff/upstream`);
  const all = (name: Side["name"], label: string) =>
    runs.map((sides) => sides.find((side) => side.name === name)?.figures.get(label) ?? Number.NaN);
  for (const label of runs[0]?.[0]?.figures.keys() ?? []) {
    const [ours, theirs] = [all("skiff", label), all("upstream", label)];
    const ratios = ours.map((value, run) => value / (theirs[run] ?? Number.NaN));
    const range = `(${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
    const ratio = `${percentile(ratios, 0.5).toFixed(2)} ${range}`;
    say(`${label.padEnd(44)} ${spread(ours).padEnd(24)} ${spread(theirs).padEnd(24)} ${ratio}`);
  }
}

function spread(values: readonly number[]): string {
  return `${format(percentile(values, 0.5))} (${format(Math.min(...values))}–${format(Math.max(...values))})`;
}

/** Both may collect what the load left: ours waits for three seconds without work. */
const SETTLE_MS = 6000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const format = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const say = (line: string) => process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    upstream: { type: "string" },
    etcd: { type: "string", default: "etcd" },
    pods: { type: "string", default: "3000" },
    big: { type: "string", default: "0" },
    runs: { type: "string", default: "3" },
    http2: { type: "boolean", default: false },
    generator: { type: "string" },
    "node-flags": { type: "string", default: "" },
  },
});
if (!values.upstream) throw new Error("--upstream PATH: the kube-apiserver to compare with");
await compare({
  upstream: values.upstream,
  etcd: values.etcd,
  pods: Number(values.pods),
  big: Number(values.big),
  runs: Number(values.runs),
  http2: values.http2,
  generator: values.generator,
  nodeFlags: values["node-flags"].split(" ").filter(Boolean),
});
