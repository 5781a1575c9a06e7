// A registry on loopback that serves one image to who knows the password: enough of the distribution API to be pulled from.
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildOciArchive, type ImageSpec } from "./oci-image.ts";

const run = promisify(execFile);
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

export class LoopbackRegistry implements AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `user:password` of each request for a manifest; empty without any. */
  readonly logins: readonly string[];
  private readonly server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, logins: readonly string[]) {
    this.server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.logins = logins;
  }

  /** Serves `image` under every name and tag; `login` is `user:password`. */
  static async start(image: ImageSpec, login: string, dir: string): Promise<LoopbackRegistry> {
    await mkdir(dir, { recursive: true });
    await buildOciArchive(image, join(dir, "image.tar"));
    await run("tar", ["-C", dir, "-xf", join(dir, "image.tar")]);
    const index = JSON.parse(await readFile(join(dir, "index.json"), "utf8")) as { manifests: { digest: string }[] };
    const digest = index.manifests[0]?.digest ?? "";
    const logins: string[] = [];
    const server = createServer((request, response) => {
      answer(request, response, { login, digest, dir, logins }).catch(() => response.writeHead(500).end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new LoopbackRegistry(server, logins);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }
}

interface Served {
  readonly login: string;
  readonly digest: string;
  readonly dir: string;
  readonly logins: string[];
}

async function answer(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://registry");
  const [, kind = "", ref = ""] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
  const [scheme, proof = ""] = (request.headers.authorization ?? "").split(" ");
  const shown = scheme === "Basic" ? Buffer.from(proof, "base64").toString("utf8") : "";
  if (kind === "manifests") served.logins.push(shown);
  if (shown !== served.login) {
    response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
    return;
  }
  const digest = kind === "manifests" && !ref.startsWith("sha256:") ? served.digest : ref;
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) {
    response.writeHead(kind ? 404 : 200).end();
    return;
  }
  const body = await readFile(join(served.dir, "blobs", digest.replace(":", "/")));
  const type = kind === "manifests" ? MANIFEST : "application/octet-stream";
  const headers = { "content-type": type, "content-length": body.length, "docker-content-digest": digest };
  response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : body);
}
