// Asks the API for a certificate: creates the request, and waits until somebody has approved, signed, denied or failed it.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { isAlreadyExists } from "@skiff/api/errors.ts";
import { certificateSigningRequests } from "@skiff/api/resource-ref.ts";
import type { CertificateSigningRequest } from "@skiff/api/types.ts";
import { ConnectionError, type RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import {
  makeCertificateRequest,
  parseCertificateRequest,
  type RequestSubject,
} from "@skiff/component-base/x509/certificate-request.ts";

/** What the request says, and how long its answer is waited for. */
export interface CertificateWish {
  readonly signerName: string;
  readonly usages: readonly string[];
  readonly subject: RequestSubject;
  /** PEM. */
  readonly key: string;
  /** A fixed name lets a kubelet that was restarted find its own request; generated when absent. */
  readonly name?: string;
  readonly timeoutMs: number;
}

/** Between watches: an apiserver that cuts every one must not be flooded. */
const RECONNECT_MS = 1000;

/** PEM of the certificate. Throws an Error that says what became of the request. */
export async function requestCertificate(
  wish: CertificateWish,
  { client, clock }: { readonly client: RestClient; readonly clock: Clock },
  signal: AbortSignal,
): Promise<string> {
  const late = new AbortController();
  using _limit = clock.after(wish.timeoutMs, () => late.abort(new Error("timed out waiting for the certificate")));
  const until = AbortSignal.any([signal, late.signal]);
  const created = await create(wish, client, until);
  for (;;) {
    try {
      const fieldSelector = `metadata.name=${created.metadata.name}`;
      const events = client
        .of(certificateSigningRequests)
        .watch({ fieldSelector, resourceVersion: "" }, { signal: until });
      for await (const event of events) {
        if (event.type === "DELETED") throw new Error(`csr ${JSON.stringify(created.metadata.name)} was deleted`);
        if (event.type !== "ADDED" && event.type !== "MODIFIED") continue;
        const certificate = judgeAnswer(event.object, created.metadata.uid);
        if (certificate) return certificate;
      }
    } catch (error) {
      until.throwIfAborted();
      if (!(error instanceof ConnectionError)) throw error;
    }
    // Ended or cut: the next watch begins with what there is.
    await clock.sleep(RECONNECT_MS, until);
  }
}

/** The certificate, or undefined while nobody has answered; throws upstream's words for a refusal. */
export function judgeAnswer(csr: Readonly<CertificateSigningRequest>, uid: string | undefined): string | undefined {
  // Somebody deleted the request and made another of its name: an answer to that one is not for this key.
  if (csr.metadata.uid !== uid) throw new Error(`csr ${JSON.stringify(csr.metadata.name)} changed UIDs`);
  for (const { type, reason, message } of csr.status?.conditions ?? []) {
    const detail = `reason: ${reason ?? ""}, message: ${message ?? ""}`;
    if (type === "Denied") throw new Error(`certificate signing request is denied, ${detail}`);
    if (type === "Failed") throw new Error(`certificate signing request failed, ${detail}`);
  }
  const isApproved = csr.status?.conditions?.some(({ type }) => type === "Approved");
  if (!isApproved || !csr.status?.certificate) return undefined;
  return Buffer.from(csr.status.certificate, "base64").toString("latin1");
}

async function create(
  wish: CertificateWish,
  client: RestClient,
  signal: AbortSignal,
): Promise<CertificateSigningRequest> {
  const { signerName, usages, subject, name } = wish;
  const key = createPrivateKey(wish.key);
  const request = Buffer.from(makeCertificateRequest(subject, key)).toString("base64");
  const metadata = name ? { name } : { name: "", generateName: "csr-" };
  const api = client.of(certificateSigningRequests);
  try {
    return await api.create("", { metadata, spec: { request, signerName, usages: [...usages] } }, { signal });
  } catch (error) {
    if (!name || !isAlreadyExists(error)) {
      throw new Error(`cannot create certificate signing request: ${(error as Error).message}`, { cause: error });
    }
  }
  // A request of this name was there before. It is ours if it was made with the same key for the same signer.
  const known = await api.get("", name, { signal });
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const asked = parseCertificateRequest(Buffer.from(known.spec.request, "base64").toString("latin1"));
  if (known.spec.signerName !== signerName || !asked.publicKey.equals(spki)) {
    throw new Error("retrieved csr is not compatible: it was made with another key or for another signer");
  }
  return known;
}
