// What a health probe asks, as words of a command line: `skiff probe` takes them, container health checks are made of them.
import { readFileSync } from "node:fs";
import type { HealthSpec } from "../programs.ts";
import type { HealthProbe } from "../supervisor/health-probe.ts";

/** `https://HOST:PORT/PATH`, `tcp://HOST:PORT` or `unix:///PATH`. */
export interface ProbeTarget {
  readonly url: string;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The arguments of `skiff probe` for a health entry of the table. */
export function probeWords(spec: HealthSpec): string[] {
  if ("url" in spec) {
    const files = (["ca", "cert", "key"] as const).flatMap((name) => (spec[name] ? [`--${name}=${spec[name]}`] : []));
    return [spec.url, ...files];
  }
  return [spec.kind === "unix" ? `unix://${spec.path}` : `tcp://${spec.host}:${spec.port}`];
}

/** Reads the TLS files; throws for a URL of no known kind. */
export function probeOf({ url, ca, cert, key }: ProbeTarget): HealthProbe {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol === "unix:") return { kind: "unix", path: pathname };
  if (protocol === "tcp:") return { kind: "tcp", host: hostname, port: Number(port) };
  if (protocol !== "http:" && protocol !== "https:") throw new Error(`${url} is no http, https, tcp or unix URL`);
  const text = (path: string) => readFileSync(path, "utf8");
  if (!ca) return { kind: "http", url };
  const client = cert && key ? { cert: text(cert), key: text(key) } : {};
  return { kind: "http", url, tls: { ca: text(ca), ...client } };
}
