// The signers: approved requests become certificates of the cluster's authority.

import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { certificateSigningRequests } from "@skiff/api/resource-ref.ts";
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import { issueCertificate, type SigningAuthority } from "@skiff/component-base/x509/issue-certificate.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { hasCondition, parseRequest, withCondition } from "./request-state.ts";
import { SIGNER_RULES } from "./signer-rules.ts";

type Csr = Readonly<CertificateSigningRequest>;

const WORKERS = 5;
/** Clocks differ: a certificate holds a little before it was made. */
const BACKDATE_MS = 300_000;
/** From this lifetime on the backdating is taken off it, as it no longer matters. */
const LONG_MS = 8 * 3_600_000;
/** The shortest life that is issued, which is also the least that the API lets a request ask for. */
const MIN_MS = 600_000;

/** Signs for those of Kubernetes' signers that have an authority; requests of other signers are somebody else's. */
export const csrSigningController = {
  name: "certificatesigningrequest-signing-controller",
  aliases: ["csrsigning"],
  component: "csrsigning",
  serviceAccount: "certificate-controller",
  async run(context, signal) {
    const { signers } = context.config.certificates;
    if (Object.keys(signers).length === 0) {
      context.log.warn("no signing certificate is configured, so no certificate request is signed");
      return;
    }
    const requests = context.informers.certificateSigningRequests();
    using queue = context.newQueue();
    const enqueue = (csr: Csr) => queue.add(csr.metadata.name);
    using _requests = requests.addHandler({ onAdd: enqueue, onUpdate: enqueue });
    await requests.synced(signal);
    const sync = async (name: string, stop: AbortSignal) => {
      const csr = requests.lister.get("", name);
      if (csr) await answer(csr, context, stop);
    };
    await runReconciler(queue, WORKERS, sync, { signal, log: context.log, name: this.name });
  },
} satisfies ControllerDefinition;

/** Issues, or says why not. Whoever crashed before the write is repaired by doing it again: nobody has seen that certificate. */
async function answer(csr: Csr, context: ControllerContext, signal: AbortSignal): Promise<void> {
  const { signers, durationMs } = context.config.certificates;
  const files = signers[csr.spec.signerName];
  if (!files || csr.status?.certificate || !hasCondition(csr, "Approved") || hasCondition(csr, "Failed")) return;
  const { log, client, clock } = context;
  const request = parseRequest(csr);
  const problem = SIGNER_RULES[csr.spec.signerName]?.(request, csr.spec.usages ?? []);
  if (problem !== undefined) {
    const now = formatTime(clock.now());
    const failed = { type: "Failed", status: "True", reason: "SignerValidationFailure", message: problem };
    const times = { lastUpdateTime: now, lastTransitionTime: now };
    await client.of(certificateSigningRequests).updateStatus(withCondition(csr, { ...failed, ...times }), { signal });
    log.info({ csr: csr.metadata.name, problem }, "certificate request failed");
    return;
  }
  if (!request.hasValidSignature) throw new Error("unable to verify certificate request signature");
  // Read each time: an authority that was replaced on disk signs from the next request on.
  const authority: SigningAuthority = {
    cert: await readFile(files.cert, "utf8"),
    key: await readFile(files.key, "utf8"),
  };
  const term = lifetime(durationMs, csr.spec.expirationSeconds, clock.now(), expiryOf(authority.cert));
  const pem = issueCertificate(authority, request, { ...term, usages: csr.spec.usages ?? [] });
  const certificate = Buffer.from(pem).toString("base64");
  await client
    .of(certificateSigningRequests)
    .updateStatus({ ...csr, status: { ...csr.status, certificate } }, { signal });
  log.info({ csr: csr.metadata.name, signer: csr.spec.signerName }, "certificate issued");
}

/** The request may ask for less than the signer's own time; nothing outlives the authority. Throws where that has ended. */
export function lifetime(
  signerMs: number,
  askedSeconds: number | undefined,
  nowMs: number,
  authorityEndMs: number,
): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  if (nowMs >= authorityEndMs) {
    throw new Error(`refusing to sign a certificate that expired in the past: NotAfter=${formatTime(authorityEndMs)}`);
  }
  const asked = askedSeconds === undefined ? signerMs : Math.max(MIN_MS, askedSeconds * 1000);
  const lasts = Math.min(signerMs, asked);
  const notBeforeMs = nowMs - BACKDATE_MS;
  const end = lasts < LONG_MS ? nowMs + lasts : notBeforeMs + lasts;
  return { notBeforeMs, notAfterMs: Math.min(end, authorityEndMs) };
}

function expiryOf(cert: string): number {
  return new X509Certificate(cert).validToDate.getTime();
}
