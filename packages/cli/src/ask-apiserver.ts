// One GET to the apiserver with a kubeconfig of ours; the command line needs no more of a client than this.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { credentialsOfKubeconfig } from "./pki/kubeconfig.ts";

/** An apiserver that is just coming up is asked again soon anyway. */
const TIMEOUT_MS = 5000;
/** Bounds what a broken server could make us hold. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** The parsed body; rejects for any status but 200. */
export function askApiserver<T>(kubeconfig: string, path: string): Promise<T> {
  const { server, ...tls } = credentialsOfKubeconfig(readFileSync(kubeconfig, "utf8"));
  return new Promise((resolve, reject) => {
    const options = { ...tls, timeout: TIMEOUT_MS, agent: false as const, headers: { accept: "application/json" } };
    const outgoing = request(`${server}${path}`, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BODY_BYTES) outgoing.destroy(new Error(`${path}: the answer is too long`));
        chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (response.statusCode !== 200)
          return reject(new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 300)}`));
        resolve(JSON.parse(text) as T);
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${path}: no answer in ${TIMEOUT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}
