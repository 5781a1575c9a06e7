// Reads the traffic counters of network interfaces from /proc/net/dev. Pure.

/** The part of the counters that the summary tells. */
export interface InterfaceStats {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

/** All that the kernel counts and monitors ask for. */
export interface InterfaceCounters extends InterfaceStats {
  readonly rxPackets: number;
  readonly rxDropped: number;
  readonly txPackets: number;
  readonly txDropped: number;
}

/** Without loopback and the host's ends of pods' interfaces. */
export function parseNetDev(text: string): InterfaceStats[] {
  return parseCounters(text).map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => {
    return { name, rxBytes, rxErrors, txBytes, txErrors };
  });
}

/** Counts since the interface came up, in the order of the kernel's columns. */
export function parseCounters(text: string): InterfaceCounters[] {
  return text
    .split("\n")
    .map((line) => line.match(/^\s*([^:\s]+):\s*(.*)$/))
    .filter((match) => match !== null)
    .map(([, name = "", figures = ""]) => ({ name, counts: figures.trim().split(/\s+/).map(Number) }))
    .filter(({ name }) => name !== "lo" && !name.startsWith("veth"))
    .map(({ name, counts }) => {
      const at = (index: number) => counts[index] ?? 0;
      const received = { rxBytes: at(0), rxPackets: at(1), rxErrors: at(2), rxDropped: at(3) };
      return { name, ...received, txBytes: at(8), txPackets: at(9), txErrors: at(10), txDropped: at(11) };
    });
}
