// Reads the traffic counters of network interfaces from /proc/net/dev. Pure.

export interface InterfaceStats {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

/** Without loopback and the host's ends of pods' interfaces. */
export function parseNetDev(text: string): InterfaceStats[] {
  return text
    .split("\n")
    .map((line) => line.match(/^\s*([^:\s]+):\s*(.*)$/))
    .filter((match) => match !== null)
    .map(([, name = "", figures = ""]) => ({ name, counts: figures.trim().split(/\s+/).map(Number) }))
    .filter(({ name }) => name !== "lo" && !name.startsWith("veth"))
    .map(({ name, counts }) => ({
      name,
      rxBytes: counts[0] ?? 0,
      rxErrors: counts[2] ?? 0,
      txBytes: counts[8] ?? 0,
      txErrors: counts[10] ?? 0,
    }));
}
