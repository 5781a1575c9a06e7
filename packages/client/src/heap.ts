// A binary heap whose items can be found, moved and removed by key.

/** The smallest item by `compare` first; at most one item per key. */
export class Heap<T> {
  private readonly keyOf: (item: T) => string;
  private readonly compare: (a: T, b: T) => number;
  private readonly items: T[] = [];
  private readonly places = new Map<string, number>();

  constructor(keyOf: (item: T) => string, compare: (a: T, b: T) => number) {
    this.keyOf = keyOf;
    this.compare = compare;
  }

  get size(): number {
    return this.items.length;
  }

  has(key: string): boolean {
    return this.places.has(key);
  }

  get(key: string): T | undefined {
    const place = this.places.get(key);
    return place === undefined ? undefined : this.items[place];
  }

  peek(): T | undefined {
    return this.items[0];
  }

  /** In no order that means anything. */
  values(): readonly T[] {
    return this.items;
  }

  /** Adds the item, or replaces the one with its key. */
  put(item: T): void {
    const place = this.places.get(this.keyOf(item)) ?? this.items.length;
    this.set(place, item);
    this.settle(place);
  }

  pop(): T | undefined {
    const first = this.items[0];
    if (first !== undefined) this.remove(this.keyOf(first));
    return first;
  }

  remove(key: string): T | undefined {
    const place = this.places.get(key);
    if (place === undefined) return undefined;
    const removed = this.items[place];
    // The last item fills the gap, and then moves to where it belongs: up or down.
    const last = this.items.pop();
    this.places.delete(key);
    if (last !== undefined && place < this.items.length) {
      this.set(place, last);
      this.settle(place);
    }
    return removed;
  }

  private set(place: number, item: T): void {
    this.items[place] = item;
    this.places.set(this.keyOf(item), place);
  }

  /** Restores the order around one place that may break it: no item is before its parent, which is at (place - 1) / 2. */
  private settle(start: number): void {
    let place = start;
    while (place > 0 && this.isBefore(place, (place - 1) >> 1)) place = this.swap(place, (place - 1) >> 1);
    for (let child = this.smallerChild(place); this.isBefore(child, place); child = this.smallerChild(place)) {
      place = this.swap(place, child);
    }
  }

  /** The left one where there is no right one; past the end where there is none, which is never before anything. */
  private smallerChild(place: number): number {
    const left = 2 * place + 1;
    return this.isBefore(left + 1, left) ? left + 1 : left;
  }

  private isBefore(a: number, b: number): boolean {
    const [first, second] = [this.items[a], this.items[b]];
    return first !== undefined && second !== undefined && this.compare(first, second) < 0;
  }

  private swap(from: number, to: number): number {
    const [a, b] = [this.items[from], this.items[to]];
    if (a !== undefined && b !== undefined) {
      this.set(to, a);
      this.set(from, b);
    }
    return to;
  }
}
