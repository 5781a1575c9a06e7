// Shuffle sharding: each flow gets a few queues of its own choice, so that a heavy flow shares all of its queues with hardly any other.
import { createHash } from "node:crypto";

/** `handSize` different queues of `queues`, the same for the same flow each time. */
export function dealHand(schema: string, distinguisher: string, queues: number, handSize: number): number[] {
  const digest = createHash("sha256").update(`${schema}\0${distinguisher}`).digest();
  let rest = digest.readBigUInt64LE(0);
  const hand: number[] = [];
  for (let dealt = 0; dealt < handSize; dealt++) {
    const left = BigInt(queues - dealt);
    let card = Number(rest % left);
    rest /= left;
    // The card is counted among those that are left, so it moves up past each that is gone.
    for (const gone of hand.toSorted((a, b) => a - b)) if (card >= gone) card += 1;
    hand.push(card);
  }
  return hand;
}
