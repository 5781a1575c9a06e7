// One piece of work at a time for each volume: no driver and no mount wants two at once.

/** In the order of asking; a failure does not hold up those behind it. */
export class VolumeLocks {
  private readonly tails = new Map<string, Promise<unknown>>();

  async run<T>(volume: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(volume) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.tails.set(volume, mine);
    try {
      return await mine;
    } finally {
      if (this.tails.get(volume) === mine) this.tails.delete(volume);
    }
  }
}
