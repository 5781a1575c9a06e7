// What the host itself must allow: forwarding and one NAT rule for clusters that may reach out, neither for isolated ones.
// Every change is recorded below /run, so that `down` undoes exactly what was done and the last cluster undoes what is shared.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import type { Layout } from "../layout.ts";
import { VOLATILE_ROOT } from "../layout.ts";

const FORWARD_SYSCTL = "/proc/sys/net/ipv4/ip_forward";
const SHARED = join(VOLATILE_ROOT, "forwarding");

/** One rule of the host's firewall. */
interface Rule {
  readonly table: "nat" | "filter";
  readonly chain: string;
  readonly spec: readonly string[];
  /** First in its chain, or last. */
  readonly at: "first" | "last";
}

/** Lets the cluster reach out; does nothing a second time. */
export async function openHostAccess(layout: Layout, range: string): Promise<void> {
  enableForwarding(layout);
  const chains = await runCommand("iptables", ["-w", "-S"]);
  const rules = [natRule(layout, range), ...forwardRules(layout, chains.stdout)];
  for (const rule of rules) await addRule(rule);
  recordRules(layout, rules);
}

/** In isolated mode the host refuses to forward what comes out of the cluster, whatever its own settings say. */
export async function closeHostAccess(layout: Layout): Promise<void> {
  await commandOutput("sh", ["-c", `echo 0 > /proc/sys/net/ipv4/conf/${layout.hostLink}/forwarding`]);
}

/** Undoes openHostAccess. */
export async function removeHostAccess(layout: Layout): Promise<void> {
  for (const rule of recordedRules(layout)) {
    await runCommand("iptables", ["-w", "-t", rule.table, "-D", rule.chain, ...rule.spec]);
  }
  rmSync(rulesFile(layout), { force: true });
  disableForwarding(layout);
}

function natRule(layout: Layout, range: string): Rule {
  const spec = ["-s", range, "!", "-d", range, "-m", "comment", "--comment", layout.hostLink, "-j", "MASQUERADE"];
  return { table: "nat", chain: "POSTROUTING", spec, at: "last" };
}

/** The rules that let the link's traffic pass where the host's own rules might refuse it. `listing` is `iptables -S`. */
export function forwardRules(layout: Pick<Layout, "hostLink">, listing: string): Rule[] {
  const lines = listing.split("\n");
  const restricted = lines.includes("-P FORWARD DROP") || lines.some((line) => line.startsWith("-A FORWARD"));
  if (!restricted) return [];
  // Docker rewrites FORWARD when it restarts, and leaves DOCKER-USER to its users.
  const chain = lines.includes("-N DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
  const comment = ["-m", "comment", "--comment", layout.hostLink];
  return [
    { table: "filter", chain, spec: ["-i", layout.hostLink, ...comment, "-j", "ACCEPT"], at: "first" },
    { table: "filter", chain, spec: ["-o", layout.hostLink, ...comment, "-j", "ACCEPT"], at: "first" },
  ];
}

async function addRule(rule: Rule): Promise<void> {
  const check = await runCommand("iptables", ["-w", "-t", rule.table, "-C", rule.chain, ...rule.spec]);
  if (check.code === 0) return;
  const verb = rule.at === "first" ? "-I" : "-A";
  await commandOutput("iptables", ["-w", "-t", rule.table, verb, rule.chain, ...rule.spec]);
}

function rulesFile(layout: Layout): string {
  return join(layout.volatile, "host-rules.json");
}

function recordRules(layout: Layout, rules: readonly Rule[]): void {
  mkdirSync(layout.volatile, { recursive: true });
  writeFileSync(rulesFile(layout), JSON.stringify(rules), { mode: 0o600 });
}

function recordedRules(layout: Layout): Rule[] {
  if (!existsSync(rulesFile(layout))) return [];
  return JSON.parse(readFileSync(rulesFile(layout), "utf8")) as Rule[];
}

// Several clusters share the host's switch: each leaves a mark, and the value from before comes back with the last.
function enableForwarding(layout: Layout): void {
  const before = readFileSync(FORWARD_SYSCTL, "utf8").trim();
  mkdirSync(join(SHARED, "users"), { recursive: true });
  if (before === "0" && !existsSync(join(SHARED, "before"))) writeFileSync(join(SHARED, "before"), before);
  writeFileSync(join(SHARED, "users", layout.id), "");
  if (before === "0") writeFileSync(FORWARD_SYSCTL, "1");
}

function disableForwarding(layout: Layout): void {
  const users = join(SHARED, "users");
  if (!existsSync(join(users, layout.id))) return;
  rmSync(join(users, layout.id));
  if (readdirSync(users).length > 0) return;
  if (existsSync(join(SHARED, "before"))) writeFileSync(FORWARD_SYSCTL, "0");
  rmSync(SHARED, { recursive: true });
}
