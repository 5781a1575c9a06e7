// The cleaner: requests for certificates that have been answered, or never will be, are removed after a while.
import { X509Certificate } from "node:crypto";
import { isNotFound } from "@skiff/api/errors.ts";
import { certificateSigningRequests } from "@skiff/api/resource-ref.ts";
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { parseTime } from "@skiff/component-base/clock.ts";
import type { ControllerDefinition } from "../controller-definition.ts";

/** Upstream's times: answered requests stay for an hour, those that nobody answers for a day. */
const HOUR_MS = 3_600_000;
const PERIOD_MS = HOUR_MS;
const ANSWERED_MS = HOUR_MS;
const PENDING_MS = 24 * HOUR_MS;

/** Requests are only errands: what they led to is in the hands of who asked. */
export const csrCleaner = {
  name: "certificatesigningrequest-cleaner-controller",
  aliases: ["csrcleaner"],
  component: "csrcleaner",
  serviceAccount: "certificate-controller",
  async run(context, signal) {
    const { log, client, clock, informers } = context;
    const requests = informers.certificateSigningRequests();
    await requests.synced(signal);
    while (!signal.aborted) {
      for (const csr of requests.lister.list()) {
        const reason = reasonToRemove(csr, clock.now());
        const { name, uid } = csr.metadata;
        if (reason === undefined) continue;
        try {
          await client.of(certificateSigningRequests).delete("", name, { uid }, { signal });
          log.info({ csr: name, reason }, "certificate request cleaned up");
        } catch (error) {
          if (signal.aborted) return;
          // One that cannot go must not keep the others; the next turn tries again.
          if (!isNotFound(error)) log.warn({ csr: name, err: error }, "certificate request not cleaned up");
        }
      }
      await clock.sleep(PERIOD_MS, signal).catch(() => {});
    }
  },
} satisfies ControllerDefinition;

/** Why it may go; undefined while somebody may still want it. */
export function reasonToRemove(csr: Readonly<CertificateSigningRequest>, nowMs: number): string | undefined {
  const { conditions = [], certificate } = csr.status ?? {};
  const isOld = (time: string | undefined, ms: number) => time !== undefined && nowMs - parseTime(time) > ms;
  const isPast = (type: string) =>
    conditions.some((one) => one.type === type && isOld(one.lastUpdateTime, ANSWERED_MS));
  if (certificate && conditions.some(({ type }) => type === "Approved")) {
    if (isPast("Approved")) return "issued";
    if (hasEnded(certificate, nowMs)) return "expired";
  }
  if (isPast("Denied")) return "denied";
  if (isPast("Failed")) return "failed";
  const isPending = conditions.length === 0 && isOld(csr.metadata.creationTimestamp, PENDING_MS);
  return isPending ? "pending for too long" : undefined;
}

function hasEnded(base64: string, nowMs: number): boolean {
  try {
    return new X509Certificate(Buffer.from(base64, "base64")).validToDate.getTime() < nowMs;
  } catch {
    // A signer outside wrote what is no certificate: that is not for us to judge.
    return false;
  }
}
