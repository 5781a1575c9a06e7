// What the plugins of one scheduling cycle tell each other and their own later calls.

/** The name of a value and, for the compiler only, its type. A symbol, so that two plugins cannot mean the same slot. */
export interface StateSlot<T> {
  readonly id: symbol;
  readonly valueType?: T;
}

export function stateSlot<T>(name: string): StateSlot<T> {
  return { id: Symbol(name) };
}

/** Lives for one pod and one try. Nothing outlasts it, so a plugin cannot act on what an earlier cycle saw. */
export class CycleState {
  private readonly values = new Map<symbol, unknown>();
  /** Plugins that had nothing to say before Filter or Score. */
  readonly skippedFilters = new Set<string>();
  readonly skippedScores = new Set<string>();

  write<T>(slot: StateSlot<T>, value: T): void {
    this.values.set(slot.id, value);
  }

  read<T>(slot: StateSlot<T>): T | undefined {
    return this.values.get(slot.id) as T | undefined;
  }
}
