// Watches a cluster come up: asks programs for their health and the apiserver for its nodes, and notices who keeps dying.
import type { Clock } from "@skiff/component-base/clock.ts";
import { askApiserver } from "../ask-apiserver.ts";
import type { Layout } from "../layout.ts";
import { probeHealth } from "../supervisor/health-probe.ts";
import type { ClusterInstance } from "../supervisor/instances.ts";
import { tailLog } from "../supervisor/log-file.ts";
import { isAlive } from "../supervisor/process-identity.ts";
import { listRunRecords } from "../supervisor/run-record.ts";
import { UserError } from "../user-error.ts";

/** What `up` prints of a node; `address` is "-" until the kubelet has told it. */
export interface NodeSummary {
  readonly name: string;
  readonly address: string;
  readonly ready: boolean;
}

/** The part of a Node that is read here. */
interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Often, so that `up` ends as soon as the cluster is ready. */
const POLL_MS = 40;
const WATCH_MS = 250;
/** What is not there by then is not waited for; it runs on, and `skiff status` tells of it. */
const TIMEOUT_MS = 120_000;
/** A program that ended this often during `up` will not come right by itself. */
const TOO_MANY_RESTARTS = 3;

/** For one `up`: once its wait is over, all its polls end. */
export class ClusterWatch {
  private readonly layout: Layout;
  private readonly instances: readonly ClusterInstance[];
  private readonly clock: Clock;
  private readonly stopped = new AbortController();

  constructor(layout: Layout, instances: readonly ClusterInstance[], clock: Clock) {
    this.layout = layout;
    this.instances = instances;
    this.clock = clock;
  }

  /** Waits for all `steps`, but no longer than until a program turns out to be hopeless or time is up. */
  async failFast(steps: readonly Promise<unknown>[]): Promise<void> {
    const all = Promise.all(steps);
    const watch = this.watchForDeaths();
    try {
      await Promise.race([all, watch]);
    } finally {
      this.stopped.abort(new Error("the wait is over"));
      await Promise.allSettled([...steps, watch]);
    }
  }

  /** Resolves once the program answers that it is healthy. */
  async healthy(key: string): Promise<void> {
    const probe = this.instances.find((instance) => instance.key === key)?.probe?.();
    if (!probe) throw new Error(`${key} has no health probe`);
    while ((await probeHealth(probe)) !== undefined) await this.clock.sleep(POLL_MS, this.stopped.signal);
  }

  /** Resolves once all of them are Ready, with what the API says of every node. */
  async allReady(names: readonly string[]): Promise<NodeSummary[]> {
    for (;;) {
      const nodes = await this.nodes();
      if (names.every((name) => nodes.some((node) => node.name === name && node.ready))) return nodes;
      await this.clock.sleep(POLL_MS, this.stopped.signal);
    }
  }

  /** Empty while the apiserver does not answer. */
  async nodes(): Promise<NodeSummary[]> {
    try {
      const list = await askApiserver<{ items: NodeObject[] }>(this.layout.adminKubeconfig, "/api/v1/nodes");
      return list.items.map(summarize);
    } catch {
      return [];
    }
  }

  /** Never resolves: it rejects once a program keeps ending or the time is up, or when the wait is over. */
  private async watchForDeaths(): Promise<void> {
    const startMs = this.clock.monotonic();
    for (;;) {
      await this.clock.sleep(WATCH_MS, this.stopped.signal);
      const dying = listRunRecords(this.layout.run).find((record) => record.restarts >= TOO_MANY_RESTARTS);
      if (dying) throw this.explain(dying.key, `${dying.key} keeps ending`);
      if (this.clock.monotonic() - startMs > TIMEOUT_MS) throw await this.explainTimeout();
    }
  }

  private async explainTimeout(): Promise<UserError> {
    const alive = new Set(
      listRunRecords(this.layout.run)
        .filter((r) => isAlive(r.process))
        .map((r) => r.key),
    );
    for (const { key, probe } of this.instances) {
      const problem = alive.has(key) ? probe && (await probeHealth(probe())) : "not running";
      if (problem) return this.explain(key, `${key} is not healthy after ${TIMEOUT_MS / 1000} s: ${problem}`);
    }
    return new UserError("the nodes are not Ready in time", `see the kubelets' logs in ${this.layout.logs}`);
  }

  /** The error with the end of the program's log, which mostly says why. */
  private explain(key: string, what: string): UserError {
    const path = this.instances.find((instance) => instance.key === key)?.logFile;
    if (!path) return new UserError(what);
    const log = tailLog(path, 15);
    return new UserError(`${what}; the end of its log (${path}):\n${log}`, "the rest still runs: stop it with down");
  }
}

function summarize(node: NodeObject): NodeSummary {
  const { addresses = [], conditions = [] } = node.status ?? {};
  return {
    name: node.metadata.name,
    address: addresses.find((address) => address.type === "InternalIP")?.address ?? "-",
    ready: conditions.some((condition) => condition.type === "Ready" && condition.status === "True"),
  };
}
