// Lists of completion indexes as Jobs write them: `1,3-5,7`.

/** The message is the one that upstream's parser gives. */
export class IndexListError extends Error {}

/** How many indexes the list names. Throws IndexListError unless they rise and stay below `completions`. */
export function countIndexes(text: string, completions: number): number {
  if (text === "") return 0;
  let total = 0;
  let last = -1;
  for (const interval of text.split(",")) {
    const { first, end } = parseInterval(interval);
    for (const index of [first, end]) {
      if (index >= completions) throw new IndexListError(`too large index: ${JSON.stringify(String(index))}`);
    }
    if (last >= first) {
      throw new IndexListError(`non-increasing order, previous: ${last}, current: ${first}`);
    }
    if (first > end) throw new IndexListError(`non-increasing order, previous: ${first}, current: ${end}`);
    total += end - first + 1;
    last = end;
  }
  return total;
}

function parseInterval(text: string): { first: number; end: number } {
  const limits = text.split("-");
  if (limits.length > 2) {
    throw new IndexListError(
      `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`,
    );
  }
  const first = parseIndex(limits[0] ?? "");
  return { first, end: limits.length === 1 ? first : parseIndex(limits[1] ?? "") };
}

function parseIndex(text: string): number {
  // Nine digits fit a 32-bit integer.
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new IndexListError(`cannot convert string to integer for index: ${JSON.stringify(text)}`);
}
