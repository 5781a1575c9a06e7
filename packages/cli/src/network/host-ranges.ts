// The address ranges that the host uses now, read from its routes and addresses.
import { commandOutput } from "@skiff/component-base/command.ts";
import type { UsedRange } from "./address-plan.ts";

/** The part of `ip -json` that is read. */
interface Route {
  readonly dst: string;
  readonly dev?: string;
}

interface Link {
  readonly ifname: string;
  readonly addr_info: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

/** Everything but the default route and what `exceptLink` (the cluster's own link) carries. */
export async function hostRanges(exceptLink: string): Promise<UsedRange[]> {
  const [routes, links] = await Promise.all([
    commandOutput("ip", ["-json", "-4", "route", "show", "table", "all"]),
    commandOutput("ip", ["-json", "-4", "address"]),
  ]);
  const parsedLinks = JSON.parse(links || "[]") as Link[];
  return [...rangesOfRoutes(JSON.parse(routes || "[]") as Route[]), ...parsedLinks.flatMap(rangesOfLink)].filter(
    (range) => range.owner !== exceptLink,
  );
}

function rangesOfRoutes(routes: readonly Route[]): UsedRange[] {
  return routes
    .filter((route) => /^\d/.test(route.dst) && !isCatchAll(route.dst))
    .map((route) => ({ cidr: route.dst, owner: route.dev ?? "a route" }));
}

// A VPN that takes all traffic does so with 0.0.0.0/1 and 128.0.0.0/1: those are default routes, not ranges in use.
function isCatchAll(cidr: string): boolean {
  return Number(cidr.split("/")[1] ?? 32) < 4;
}

function rangesOfLink(link: Link): UsedRange[] {
  return link.addr_info
    .filter((address) => address.family === "inet")
    .map((address) => ({ cidr: `${address.local}/${address.prefixlen}`, owner: link.ifname }));
}

/** The link that carries the default route, and its MTU. */
export async function defaultLink(): Promise<{ name: string; mtu: number } | undefined> {
  const routes = JSON.parse(
    (await commandOutput("ip", ["-json", "-4", "route", "show", "default"])) || "[]",
  ) as Route[];
  const name = routes[0]?.dev;
  if (!name) return undefined;
  const links = JSON.parse(await commandOutput("ip", ["-json", "link", "show", "dev", name])) as { mtu?: number }[];
  return { name, mtu: links[0]?.mtu ?? 1500 };
}
