// The serving certificate of a kubelet that nobody gave one: signed by itself and kept in the certificate folder.
import { createPrivateKey } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeCertificateRequest, parseCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";
import { selfSignedCertificate } from "@skiff/component-base/x509/issue-certificate.ts";
import { type KeyPair, keyPairOf, newKey } from "./key-pair.ts";

/** For how long it holds; the apiserver checks it only where it was given a CA for kubelets. */
const YEAR_MS = 365 * 86_400_000;
/** Callers' clocks may be a little behind. */
const BACKDATE_MS = 3_600_000;

/** Upstream's files kubelet.crt and kubelet.key; made again once they have ended. */
export async function selfSignedServing(certDir: string, nodeName: string, nowMs: number): Promise<KeyPair> {
  const certPath = join(certDir, "kubelet.crt");
  const keyPath = join(certDir, "kubelet.key");
  try {
    const known = keyPairOf(await readFile(certPath, "utf8"), await readFile(keyPath, "utf8"));
    if (known.notAfterMs > nowMs) return known;
  } catch {
    // None yet, or half written: what nobody trusts by name may be made anew.
  }
  const key = newKey();
  const subject = { commonName: `${nodeName}@${Math.floor(nowMs / 1000)}`, organizations: [], dnsNames: [nodeName] };
  const request = parseCertificateRequest(makeCertificateRequest(subject, createPrivateKey(key)));
  const terms = { usages: ["digital signature", "key encipherment", "server auth"], notBeforeMs: nowMs - BACKDATE_MS };
  const cert = selfSignedCertificate(key, request, { ...terms, notAfterMs: nowMs + YEAR_MS });
  await mkdir(certDir, { recursive: true, mode: 0o755 });
  await writeFile(keyPath, key, { mode: 0o600 });
  await writeFile(certPath, cert, { mode: 0o644 });
  return keyPairOf(cert, key);
}
