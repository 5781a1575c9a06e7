// Chains and rules as data, the difference between two such sets, and its form for `iptables-restore --noflush`.

export type Table = "nat" | "filter";

/** Rules per chain, each without its `-A CHAIN`; a chain of ours is listed even when it is empty. */
export type Chains = ReadonlyMap<string, readonly string[]>;

/** A jump into a chain of ours from one of the kernel's. Theirs hold other people's rules, so only this line is ours. */
export interface Jump {
  readonly from: string;
  readonly rule: string;
  readonly position: "first" | "last";
}

/** What a table should hold of ours. */
export interface TableRules {
  readonly chains: Chains;
  readonly jumps: readonly Jump[];
}

export type RuleSet = Readonly<Record<Table, TableRules>>;

/** What the kernel holds of a table, as far as it concerns us; `chains` is empty of rules when only names are known. */
export interface AppliedTable {
  readonly chains: ReadonlyMap<string, readonly string[] | undefined>;
  readonly jumps: ReadonlySet<string>;
}

/**
 * One table's input for iptables-restore, or undefined when nothing changed. Naming a chain creates or flushes it, so only
 * chains whose rules differ are named; the whole table is committed at once.
 */
export function planRestore(table: Table, wanted: TableRules, applied: AppliedTable): string | undefined {
  const changed = [...wanted.chains].filter(([name, rules]) => !sameRules(applied.chains.get(name), rules));
  const stale = [...applied.chains.keys()].filter((name) => !wanted.chains.has(name));
  const jumps = wanted.jumps.filter((jump) => !applied.jumps.has(jumpKey(jump)));
  if (changed.length === 0 && stale.length === 0 && jumps.length === 0) return undefined;
  const lines = [`*${table}`];
  // All names first: a rule may jump to a chain that is declared further down.
  for (const name of [...changed.map(([chain]) => chain), ...stale]) lines.push(`:${name} - [0:0]`);
  for (const jump of jumps) lines.push(`${jump.position === "first" ? "-I" : "-A"} ${jump.from} ${jump.rule}`);
  for (const [name, rules] of changed) for (const rule of rules) lines.push(`-A ${name} ${rule}`);
  // Flushed above and no longer jumped to, so they can be deleted in the same commit.
  for (const name of stale) lines.push(`-X ${name}`);
  lines.push("COMMIT");
  return `${lines.join("\n")}\n`;
}

/** By chain and target alone: the kernel words the matches of a rule in its own way, so texts do not compare. */
function jumpKey(jump: Jump): string {
  const target = /-j (\S+)/.exec(jump.rule)?.[1] ?? "";
  return `${jump.from}>${target}`;
}

/** What a table holds once `wanted` has been committed. */
export function appliedAfter(wanted: TableRules): AppliedTable {
  return { chains: wanted.chains, jumps: new Set(wanted.jumps.map(jumpKey)) };
}

/** Our chains and jumps in the output of `iptables-save`. Rules are not compared as text: the kernel rewords them. */
export function parseSaved(saved: string, isOurs: (chain: string) => boolean): AppliedTable {
  const chains = new Map<string, undefined>();
  const jumps = new Set<string>();
  for (const line of saved.split("\n")) {
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain !== undefined && isOurs(chain)) chains.set(chain, undefined);
    const jump = /^-A (\S+) .*-j (\S+)/.exec(line);
    if (jump?.[1] && jump[2] && !isOurs(jump[1]) && isOurs(jump[2])) jumps.add(`${jump[1]}>${jump[2]}`);
  }
  return { chains, jumps };
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, index) => rule === b[index]);
}
