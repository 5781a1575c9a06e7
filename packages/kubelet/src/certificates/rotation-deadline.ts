// When a certificate is to be replaced. Pure.
import { isIP } from "node:net";
import type { KeyPair } from "./key-pair.ts";

/** Between 70 and 90 % of its life; `random` in [0, 1) spreads nodes that joined together. */
export function rotationDeadline(pair: Pick<KeyPair, "notBeforeMs" | "notAfterMs">, random: number): number {
  const lifeMs = pair.notAfterMs - pair.notBeforeMs;
  return pair.notBeforeMs + lifeMs * (0.7 + 0.2 * random);
}

/** Names and addresses that a certificate shall bear, beside the node's own name. */
export interface Names {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/** Whether the certificate speaks for all of them: a node whose address changed must not wait for the end of the old one. */
export function coversNames({ leaf }: Pick<KeyPair, "leaf">, { dnsNames, addresses }: Names): boolean {
  const known = (leaf.subjectAltName ?? "").split(", ");
  return (
    dnsNames.every((name) => known.includes(`DNS:${name}`)) &&
    addresses.every((address) => isIP(address) !== 0 && leaf.checkIP(address) !== undefined)
  );
}
