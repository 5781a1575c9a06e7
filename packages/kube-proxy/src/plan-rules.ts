// From Service ports to chains and rules, with upstream's chain names: what `iptables-save` on a node should show.
import { createHash } from "node:crypto";
import type { Jump, RuleSet } from "./rule-set.ts";
import type { Endpoint, ServicePort } from "./service-ports.ts";

export interface RuleOptions {
  /** Empty: unknown, and only node-local or NodePort traffic is masqueraded. */
  readonly clusterCidr: string;
  readonly masqueradeAll: boolean;
  /** One bit, as `0x4000`. */
  readonly masqueradeMark: string;
  readonly localhostNodePorts: boolean;
}

/** Every chain and rule that the node must hold for these ports. Pure; cost grows with ports and endpoints. */
export function planRules(ports: readonly ServicePort[], options: RuleOptions): RuleSet {
  const nat = new Map<string, string[]>(Object.entries(baseNatChains(options)));
  const filter = new Map<string, string[]>(Object.entries(baseFilterChains(options)));
  for (const port of ports) new PortRules(port, options, nat, filter).add();
  const localhost = options.localhostNodePorts ? "" : "! -d 127.0.0.0/8 ";
  append(
    nat,
    "KUBE-SERVICES",
    `${comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")} ${localhost}-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
  );
  return { nat: { chains: nat, jumps: NAT_JUMPS }, filter: { chains: filter, jumps: FILTER_JUMPS } };
}

/** Chains that this program owns; others', also those of a kubelet or a CNI plug-in, are left alone. */
export function isOurChain(name: string): boolean {
  return OUR_CHAINS.has(name) || /^KUBE-(SVC|SVL|SEP|EXT|FW)-/.test(name);
}

/** The chain a Service port's traffic to any endpoint passes; `prefix` is SVC, SVL (local endpoints), EXT or FW. */
export function serviceChain(prefix: "SVC" | "SVL" | "EXT" | "FW", port: ServicePort): string {
  return `KUBE-${prefix}-${shortHash(port.name + port.protocol)}`;
}

/** One chain per endpoint of a port: its rule of destination NAT, and the mark for a pod that calls itself. */
export function endpointChain(port: ServicePort, endpoint: Endpoint): string {
  return `KUBE-SEP-${shortHash(`${port.name}${port.protocol}${endpoint.ip}:${endpoint.port}`)}`;
}

const NAT_JUMPS: readonly Jump[] = [
  { from: "PREROUTING", rule: `${comment("kubernetes service portals")} -j KUBE-SERVICES`, position: "first" },
  { from: "OUTPUT", rule: `${comment("kubernetes service portals")} -j KUBE-SERVICES`, position: "first" },
  { from: "POSTROUTING", rule: `${comment("kubernetes postrouting rules")} -j KUBE-POSTROUTING`, position: "first" },
];

/** Services are looked up for a connection's first packet; conntrack translates the rest. */
const NEW = "-m conntrack --ctstate NEW";
const FILTER_JUMPS: readonly Jump[] = [
  {
    from: "INPUT",
    rule: `${NEW} ${comment("kubernetes externally-visible service portals")} -j KUBE-EXTERNAL-SERVICES`,
    position: "first",
  },
  {
    from: "INPUT",
    rule: `${NEW} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`,
    position: "first",
  },
  { from: "INPUT", rule: "-j KUBE-FIREWALL", position: "first" },
  { from: "OUTPUT", rule: `${NEW} ${comment("kubernetes service portals")} -j KUBE-SERVICES`, position: "first" },
  {
    from: "OUTPUT",
    rule: `${NEW} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`,
    position: "first",
  },
  { from: "OUTPUT", rule: "-j KUBE-FIREWALL", position: "first" },
  { from: "FORWARD", rule: `${NEW} ${comment("kubernetes service portals")} -j KUBE-SERVICES`, position: "first" },
  {
    from: "FORWARD",
    rule: `${NEW} ${comment("kubernetes externally-visible service portals")} -j KUBE-EXTERNAL-SERVICES`,
    position: "first",
  },
  {
    from: "FORWARD",
    rule: `${NEW} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`,
    position: "first",
  },
  { from: "FORWARD", rule: `${comment("kubernetes forwarding rules")} -j KUBE-FORWARD`, position: "first" },
];

function baseNatChains({ masqueradeMark: mark }: RuleOptions): Record<string, string[]> {
  return {
    "KUBE-SERVICES": [],
    "KUBE-NODEPORTS": [],
    "KUBE-MARK-MASQ": [`-j MARK --or-mark ${mark}`],
    "KUBE-POSTROUTING": [
      `-m mark ! --mark ${mark}/${mark} -j RETURN`,
      // Cleared so that a packet that passes the chains again (IPsec, overlay) is not masqueraded twice.
      `-j MARK --xor-mark ${mark}`,
      `${comment("kubernetes service traffic requiring SNAT")} -j MASQUERADE --random-fully`,
    ],
    // Empty for ever: whether it is still there tells whether somebody flushed the table (see `wasFlushed`).
    "KUBE-PROXY-CANARY": [],
  };
}

function baseFilterChains({ masqueradeMark: mark }: RuleOptions): Record<string, string[]> {
  return {
    "KUBE-SERVICES": [],
    "KUBE-EXTERNAL-SERVICES": [],
    "KUBE-PROXY-FIREWALL": [],
    // With route_localnet on, neighbours could otherwise reach services that listen on loopback (CVE-2020-8558).
    "KUBE-FIREWALL": [
      `${comment("block incoming localnet connections")} -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
    ],
    "KUBE-FORWARD": [
      // Else a late packet reaches the client from the pod's own address, and the client resets the connection.
      "-m conntrack --ctstate INVALID -j DROP",
      `${comment("kubernetes forwarding rules")} -m mark --mark ${mark}/${mark} -j ACCEPT`,
      `${comment("kubernetes forwarding conntrack rule")} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ],
    "KUBE-PROXY-CANARY": [],
  };
}

const OUR_CHAINS: ReadonlySet<string> = new Set([
  "KUBE-SERVICES",
  "KUBE-NODEPORTS",
  "KUBE-MARK-MASQ",
  "KUBE-POSTROUTING",
  "KUBE-EXTERNAL-SERVICES",
  "KUBE-PROXY-FIREWALL",
  "KUBE-FIREWALL",
  "KUBE-FORWARD",
  "KUBE-PROXY-CANARY",
]);

/** The rules of one Service port, added to the tables that all ports share. */
class PortRules {
  private readonly port: ServicePort;
  private readonly options: RuleOptions;
  private readonly nat: Map<string, string[]>;
  private readonly filter: Map<string, string[]>;
  private readonly local: readonly Endpoint[];

  constructor(port: ServicePort, options: RuleOptions, nat: Map<string, string[]>, filter: Map<string, string[]>) {
    this.port = port;
    this.options = options;
    this.nat = nat;
    this.filter = filter;
    this.local = port.endpoints.filter((endpoint) => endpoint.isLocal);
  }

  add(): void {
    this.addClusterIp();
    if (this.isExternal()) this.addExternal();
    this.addServiceChains();
  }

  private isExternal(): boolean {
    const { nodePort, externalIps, loadBalancerIps } = this.port;
    return nodePort > 0 || externalIps.length > 0 || loadBalancerIps.length > 0;
  }

  private addClusterIp(): void {
    const { port } = this;
    const usable = port.internalLocal ? this.local : port.endpoints;
    const match = this.match(port.clusterIp);
    // Refused in the filter table, since nat cannot: a client then fails at once instead of waiting for a timeout.
    if (usable.length > 0) {
      append(this.nat, "KUBE-SERVICES", `${this.comment("cluster IP")} ${match} -j ${this.internalChain()}`);
    } else if (port.endpoints.length > 0) {
      append(this.filter, "KUBE-SERVICES", `${this.comment("has no local endpoints")} ${match} -j DROP`);
    } else {
      append(this.filter, "KUBE-SERVICES", `${this.comment("has no endpoints")} ${match} -j REJECT`);
    }
  }

  private internalChain(): string {
    return serviceChain(this.port.internalLocal ? "SVL" : "SVC", this.port);
  }

  private addExternal(): void {
    const { port } = this;
    const external = serviceChain("EXT", port);
    if (port.endpoints.length === 0) {
      this.refuseExternal("has no endpoints", "REJECT");
      return;
    }
    // Nodes of the cluster still reach every endpoint; only outsiders are refused when none is local.
    if (port.externalLocal && this.local.length === 0) this.refuseExternal("has no local endpoints", "DROP");
    if (port.nodePort > 0) {
      append(
        this.nat,
        "KUBE-NODEPORTS",
        `${this.comment("")} -m ${port.protocol} -p ${port.protocol} --dport ${port.nodePort} -j ${external}`,
      );
    }
    for (const ip of port.externalIps) {
      append(this.nat, "KUBE-SERVICES", `${this.comment("external IP")} ${this.match(ip)} -j ${external}`);
    }
    for (const ip of port.loadBalancerIps) this.addLoadBalancerIp(ip, external);
    this.nat.set(external, this.externalRules());
  }

  private refuseExternal(why: string, target: "REJECT" | "DROP"): void {
    const { port } = this;
    const addresses = [...port.externalIps, ...port.loadBalancerIps];
    for (const ip of addresses)
      append(this.filter, "KUBE-EXTERNAL-SERVICES", `${this.comment(why)} ${this.match(ip)} -j ${target}`);
    if (port.nodePort === 0) return;
    const match = `-m addrtype --dst-type LOCAL -m ${port.protocol} -p ${port.protocol} --dport ${port.nodePort}`;
    append(this.filter, "KUBE-EXTERNAL-SERVICES", `${this.comment(why)} ${match} -j ${target}`);
  }

  private addLoadBalancerIp(ip: string, external: string): void {
    const { port } = this;
    const limited = port.sourceRanges.length > 0;
    const target = limited ? serviceChain("FW", port) : external;
    append(this.nat, "KUBE-SERVICES", `${this.comment("loadbalancer IP")} ${this.match(ip)} -j ${target}`);
    if (!limited) return;
    this.nat.set(
      target,
      port.sourceRanges.map((range) => `${this.comment("loadbalancer IP")} -s ${range} -j ${external}`),
    );
    append(
      this.filter,
      "KUBE-PROXY-FIREWALL",
      `${this.comment("traffic not accepted by the firewall")} ${this.match(ip)} -j DROP`,
    );
  }

  /** Traffic from outside: with the Cluster policy to any endpoint (masqueraded), with Local to this node's only. */
  private externalRules(): string[] {
    const any = serviceChain("SVC", this.port);
    const { clusterCidr } = this.options;
    if (!this.port.externalLocal) {
      return [
        `${comment(`masquerade traffic for ${this.port.name} external destinations`)} -j KUBE-MARK-MASQ`,
        `-j ${any}`,
      ];
    }
    const rules = clusterCidr
      ? [`${comment(`pod traffic for ${this.port.name} external destinations`)} -s ${clusterCidr} -j ${any}`]
      : [];
    rules.push(
      `${comment(`masquerade LOCAL traffic for ${this.port.name} external destinations`)} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `${comment(`route LOCAL traffic for ${this.port.name} external destinations`)} -m addrtype --src-type LOCAL -j ${any}`,
    );
    if (this.local.length > 0) rules.push(`-j ${serviceChain("SVL", this.port)}`);
    return rules;
  }

  private addServiceChains(): void {
    const { port } = this;
    // Chains that nothing jumps to are left out: the table holds what is used.
    const needsAny = !port.internalLocal || this.isExternal();
    const needsLocal = (port.internalLocal || port.externalLocal) && this.local.length > 0;
    if (needsAny && port.endpoints.length > 0) this.nat.set(serviceChain("SVC", port), this.balance(port.endpoints));
    if (needsLocal) this.nat.set(serviceChain("SVL", port), this.balance(this.local));
    const used = needsAny ? port.endpoints : this.local;
    for (const endpoint of used) this.nat.set(endpointChain(port, endpoint), this.endpointRules(endpoint));
  }

  /** Masquerade what comes from outside the pods, keep a client at its endpoint, else choose one at random. */
  private balance(endpoints: readonly Endpoint[]): string[] {
    const { port, options } = this;
    const toClusterIp = `${this.comment("cluster IP")} ${this.match(port.clusterIp)}`;
    const rules: string[] = [];
    if (options.masqueradeAll) rules.push(`${toClusterIp} -j KUBE-MARK-MASQ`);
    else if (options.clusterCidr) rules.push(`${toClusterIp} ! -s ${options.clusterCidr} -j KUBE-MARK-MASQ`);
    if (port.affinitySeconds > 0) {
      for (const endpoint of endpoints) {
        const chain = endpointChain(port, endpoint);
        rules.push(
          `${this.target(endpoint)} -m recent --name ${chain} --rcheck --seconds ${port.affinitySeconds} --reap -j ${chain}`,
        );
      }
    }
    endpoints.forEach((endpoint, index) => {
      const left = endpoints.length - index;
      // Each rule takes its share of what those before it left: 1/3, 1/2, and all.
      const chance = left > 1 ? ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}` : "";
      rules.push(`${this.target(endpoint)}${chance} -j ${endpointChain(port, endpoint)}`);
    });
    return rules;
  }

  private endpointRules(endpoint: Endpoint): string[] {
    const { port } = this;
    const affinity = port.affinitySeconds > 0 ? ` -m recent --name ${endpointChain(port, endpoint)} --set` : "";
    return [
      // A pod that reaches itself through its Service must see a reply from the node, or it would drop it as its own.
      `${this.comment("")} -s ${endpoint.ip} -j KUBE-MARK-MASQ`,
      `${this.comment("")}${affinity} -m ${port.protocol} -p ${port.protocol} -j DNAT --to-destination ${endpoint.ip}:${endpoint.port}`,
    ];
  }

  private match(ip: string): string {
    const { protocol, port } = this.port;
    return `-m ${protocol} -p ${protocol} -d ${ip} --dport ${port}`;
  }

  private target(endpoint: Endpoint): string {
    return comment(`${this.port.name} -> ${endpoint.ip}:${endpoint.port}`);
  }

  private comment(what: string): string {
    return comment(what ? `${this.port.name} ${what}` : this.port.name);
  }
}

/** At the end of a chain; the order of rules in KUBE-SERVICES follows that of the ports. */
function append(chains: Map<string, string[]>, chain: string, rule: string): void {
  chains.get(chain)?.push(rule);
}

function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The first 16 base32 digits of a SHA-256: upstream's way to names that fit iptables' 28 characters. */
function shortHash(text: string): string {
  const digest = createHash("sha256").update(text).digest();
  let bits = 0n;
  for (const byte of digest.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  let out = "";
  for (let shift = 75n; shift >= 0n; shift -= 5n) out += BASE32[Number((bits >> shift) & 31n)];
  return out;
}
