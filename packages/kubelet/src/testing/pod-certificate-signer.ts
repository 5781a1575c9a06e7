// Plays the signer of pods' certificates: answers requests as a controller of the cluster would.
import { podCertificateRequests } from "@skiff/api/resource-ref.ts";
import type { V1beta1PodCertificateRequest } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import { parseCertificateRequest, pemOf } from "@skiff/component-base/x509/certificate-request.ts";
import { issueCertificate, type SigningAuthority } from "@skiff/component-base/x509/issue-certificate.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";

const options = { signal: new AbortController().signal };
const LIFE_MS = 3_600_000;

export class PodCertificateSigner {
  private readonly client: Pick<RestClient, "of">;
  private readonly authority: SigningAuthority;

  constructor(client: Pick<RestClient, "of">, authority: SigningAuthority) {
    this.client = client;
    this.authority = authority;
  }

  /** The pod's next request that nobody has answered. */
  pending(podName: string): Promise<V1beta1PodCertificateRequest> {
    return waitFor(`a request for a certificate of ${podName}`, async () => {
      const { items } = await this.client.of(podCertificateRequests).list({ namespace: "default" }, options);
      return items.find(({ spec, status }) => spec.podName === podName && !status?.conditions?.length);
    });
  }

  /** Signs it for an hour, from now on; returns the certificate. */
  async sign(podName: string): Promise<string> {
    const request = await this.pending(podName);
    const der = Buffer.from(request.spec.stubPKCS10Request, "base64");
    const notBeforeMs = Math.floor(Date.parse(request.metadata.creationTimestamp ?? "") / 1000) * 1000;
    const notAfterMs = notBeforeMs + LIFE_MS;
    const terms = { usages: ["client auth"], notBeforeMs, notAfterMs };
    const subject = parseCertificateRequest(pemOf("CERTIFICATE REQUEST", der));
    const certificate = issueCertificate(this.authority, subject, terms);
    await this.answer(request, "Issued", {
      // What is no certificate is not the pod's to see.
      certificateChain: `a note\n${certificate}`,
      notBefore: formatTime(notBeforeMs),
      beginRefreshAt: formatTime(notBeforeMs + LIFE_MS / 2),
      notAfter: formatTime(notAfterMs),
    });
    return certificate;
  }

  async deny(podName: string): Promise<void> {
    await this.answer(await this.pending(podName), "Denied", {});
  }

  private async answer(request: V1beta1PodCertificateRequest, type: string, more: object): Promise<void> {
    const lastTransitionTime = request.metadata.creationTimestamp ?? "";
    const condition = { type, status: "True", reason: "Tested", message: "so be it", lastTransitionTime };
    const answered = { ...request, status: { conditions: [condition], ...more } };
    await this.client.of(podCertificateRequests).updateStatus(answered, options);
  }
}
