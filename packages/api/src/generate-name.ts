// Random name suffixes, in upstream's alphabet: no vowels and no look-alikes, so that no word appears by chance.
import { randomInt } from "node:crypto";

const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
/** Of a DNS label; upstream cuts every generated name to it, also where a kind allows more (maxNameLength). */
const MAX_NAME_LENGTH = 63;
const SUFFIX_LENGTH = 5;

/**
 * `base` (cut to fit a DNS label) and five random characters. Two may meet among 14 million: then the create fails with
 * AlreadyExists, and is to be tried again.
 */
export function generateName(base: string): string {
  return `${base.slice(0, MAX_NAME_LENGTH - SUFFIX_LENGTH)}${randomSuffix()}`;
}

/** `random(n)` gives a whole number from 0 to n - 1; tests pass their own. */
export function randomSuffix(length = SUFFIX_LENGTH, random: (below: number) => number = (n) => randomInt(n)): string {
  let text = "";
  for (let i = 0; i < length; i++) text += ALPHABET[random(ALPHABET.length)];
  return text;
}

/** Maps every character into the alphabet, as upstream does with hashes that become part of a name. */
export function safeEncode(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) out += ALPHABET[text.charCodeAt(i) % ALPHABET.length];
  return out;
}
