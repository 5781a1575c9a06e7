// The iptables backend: one `iptables-restore --noflush` per sync, which writes only the chains that changed.
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import type { Counter, Gauge, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { RuleOptions } from "../plan-rules.ts";
import { isOurChain, planRules } from "../plan-rules.ts";
import type { AppliedTable, RuleSet, Table } from "../rule-set.ts";
import { appliedAfter, parseSaved, planRestore } from "../rule-set.ts";
import type { ServicePort } from "../service-ports.ts";
import type { ProxyBackend } from "./backend.ts";

const TABLES: readonly Table[] = ["nat", "filter"];

/** Remembers what it wrote, since reading ten thousand rules back takes the kernel longer than writing the one that changed. */
export class IptablesBackend implements ProxyBackend {
  readonly name = "iptables";
  private readonly options: RuleOptions;
  /** What the kernel holds; undefined when that is unknown, as at the start. */
  private applied: Record<Table, AppliedTable> | undefined;
  private readonly failures: Counter;
  private readonly ruleCount: Gauge;

  constructor(options: RuleOptions, deps: { metrics: MetricsRegistry }) {
    this.options = options;
    this.failures = deps.metrics.counter(
      "kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
      "Cumulative proxy iptables restore failures",
    );
    this.ruleCount = deps.metrics.gauge(
      "kubeproxy_sync_proxy_rules_iptables_total",
      "Total number of iptables rules owned by kube-proxy",
    );
  }

  async sync(ports: readonly ServicePort[], full: boolean, signal: AbortSignal): Promise<void> {
    const wanted = planRules(ports, this.options);
    const applied = full || !this.applied ? await readApplied(signal) : this.applied;
    const input = TABLES.map((table) => planRestore(table, wanted[table], applied[table]) ?? "").join("");
    // Until the commit is known to have worked the kernel's state is unknown, and the next sync reads it.
    this.applied = undefined;
    if (input) await this.restore(input, signal);
    this.applied = { nat: appliedAfter(wanted.nat), filter: appliedAfter(wanted.filter) };
    this.countRules(wanted);
  }

  /** By upstream's canary: an empty chain that goes when somebody flushes the table, and costs little to ask for. */
  async wasFlushed(signal: AbortSignal): Promise<boolean> {
    for (const table of TABLES) {
      const { code } = await runCommand("iptables", ["-w", "5", "-t", table, "-n", "-L", "KUBE-PROXY-CANARY"], {
        signal,
      });
      if (code !== 0) return true;
    }
    return false;
  }

  private async restore(input: string, signal: AbortSignal): Promise<void> {
    // -w 5: seconds to wait for others' lock. --noflush: chains that the input does not name stay, ours and others'.
    const { code, stderr } = await runCommand("iptables-restore", ["-w", "5", "--noflush", "--counters"], {
      input,
      signal,
    });
    if (code === 0) return;
    this.failures.inc();
    throw new Error(`iptables-restore refused the rules: ${stderr.trim()}`);
  }

  private countRules(wanted: RuleSet): void {
    for (const table of TABLES) {
      let count = wanted[table].jumps.length;
      for (const rules of wanted[table].chains.values()) count += rules.length;
      this.ruleCount.set(count, { table });
    }
  }
}

async function readApplied(signal: AbortSignal): Promise<Record<Table, AppliedTable>> {
  const read = async (table: Table) =>
    parseSaved(await commandOutput("iptables-save", ["-t", table], { signal }), isOurChain);
  return { nat: await read("nat"), filter: await read("filter") };
}
