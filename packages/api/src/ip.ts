// IP addresses and CIDRs as numbers. Strict: no leading zeros, no zones, no short forms.

/** An address as a number, so that ranges are arithmetic. */
export interface Ip {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** A range of addresses. */
export interface Cidr {
  readonly version: 4 | 6;
  /** The network's first address. */
  readonly value: bigint;
  readonly prefix: number;
  /** The address as written, which may have host bits. */
  readonly address: bigint;
}

/** Undefined for whatever is no address. Leading zeros are refused since some readers take them for octal. */
export function parseIp(text: string): Ip | undefined {
  const value = text.includes(":") ? parseV6(text) : parseV4(text);
  return value === undefined ? undefined : { version: text.includes(":") ? 6 : 4, value };
}

/** The canonical text (RFC 5952 for IPv6). */
export function formatIp(ip: Ip): string {
  if (ip.version === 4) return [24n, 16n, 8n, 0n].map((shift) => (ip.value >> shift) & 255n).join(".");
  return formatV6(ip.value);
}

/** `10.0.0.0/8`; undefined for whatever is none. Host bits are allowed and kept in `address`. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const ip = match ? parseIp(match[1] ?? "") : undefined;
  const prefix = Number(match?.[2]);
  if (!ip || prefix > bitsOf(ip.version)) return undefined;
  const host = BigInt(bitsOf(ip.version) - prefix);
  return { version: ip.version, value: (ip.value >> host) << host, prefix, address: ip.value };
}

/** The canonical text: the first address of the range, without host bits. */
export function formatCidr(cidr: Pick<Cidr, "version" | "value" | "prefix">): string {
  return `${formatIp(cidr)}/${cidr.prefix}`;
}

/** Never across IP versions. Of a Cidr given as `ip` the first address counts. */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  if (cidr.version !== ip.version) return false;
  const host = BigInt(bitsOf(cidr.version) - cidr.prefix);
  return ip.value >> host === cidr.value >> host;
}

/** CIDRs are nested or apart: they overlap when the wider one has the other's first address. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  const [wide, narrow] = a.prefix <= b.prefix ? [a, b] : [b, a];
  return cidrContains(wide, narrow);
}

/** How many addresses it has. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(bitsOf(cidr.version) - cidr.prefix);
}

/** The address at `n` from the network's first one (0); undefined past the end. Negative counts from the end. */
export function nthAddress(cidr: Cidr, n: number | bigint): Ip | undefined {
  const size = cidrSize(cidr);
  const offset = BigInt(n) < 0n ? size + BigInt(n) : BigInt(n);
  if (offset < 0n || offset >= size) return undefined;
  return { version: cidr.version, value: cidr.value + offset };
}

/** The `index`-th subnet of `maskSize` bits; undefined past the end. */
export function splitCidr(cidr: Cidr, maskSize: number, index: number): Cidr | undefined {
  const bits = bitsOf(cidr.version);
  if (maskSize < cidr.prefix || maskSize > bits || index < 0) return undefined;
  if (BigInt(index) >= 1n << BigInt(maskSize - cidr.prefix)) return undefined;
  const value = cidr.value + (BigInt(index) << BigInt(bits - maskSize));
  return { version: cidr.version, value, prefix: maskSize, address: value };
}

function bitsOf(version: 4 | 6): number {
  return version === 4 ? 32 : 128;
}

function parseV4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  let value = 0n;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  // `::` stands for at least one group of zeros.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** 16-bit groups; the last place may hold a dotted IPv4 address. */
function parseGroups(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (part.includes(".") && mayEndInV4 && i === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  // IPv4 in IPv6 is written with dots, as Go's net package does.
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIp({ version: 4, value: value & 0xffffffffn })}`;
  }
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952: `::` stands for the longest run, the first of equals, and never for a single group.
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}
