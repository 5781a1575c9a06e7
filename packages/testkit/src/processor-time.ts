// How much processor time a piece of work takes: unlike time on the clock, other programs on the machine do not add to it.

/** Milliseconds that this process computed for, in all its threads. */
export function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
