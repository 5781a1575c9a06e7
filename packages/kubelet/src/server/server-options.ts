// What the HTTPS API is told by the kubelet's configuration.
import { readFile } from "node:fs/promises";
import type { KubeletConfig } from "../config.ts";
import { tlsBounds } from "../configuration/tls-bounds.ts";
import type { KubeletServerOptions } from "./deps.ts";
import { systemCgroups } from "./stats/system-cgroups.ts";

/** How callers are known and what they may, and for how long. */
export function authOptions({ settings, "anonymous-auth": anonymous }: KubeletConfig) {
  return {
    anonymous,
    reviewsTokens: settings["authentication.webhook.enabled"],
    allowsAll: settings["authorization.mode"] === "AlwaysAllow",
    tokenTtlMs: settings["authentication.webhook.cacheTTL"],
    allowedTtlMs: settings["authorization.webhook.cacheAuthorizedTTL"],
    deniedTtlMs: settings["authorization.webhook.cacheUnauthorizedTTL"],
  };
}

/** Without a certificate handshakes fail until one is given. */
export async function serverOptionsOf(
  config: KubeletConfig,
  serving: { readonly cert: string; readonly key: string } | undefined,
): Promise<KubeletServerOptions> {
  const { address, port, nodeName, "client-ca-file": ca } = config;
  return {
    address,
    port,
    readOnlyPort: config["read-only-port"],
    cadvisorPort: config["cadvisor-port"],
    tls: { ...serving, clientCa: ca ? await readFile(ca, "utf8") : undefined, ...tlsBounds(config.settings) },
    systemLogDir: config.settings.enableSystemLogHandler ? "/var/log" : undefined,
    hasDebuggingHandlers: config.settings.enableDebuggingHandlers,
    podLogDir: config["pod-log-dir"],
    nodeName,
    rootDir: config["root-dir"],
    systemCgroups: systemCgroups(
      { runtime: config["runtime-cgroups"], system: config["system-cgroups"] },
      await readFile("/proc/self/cgroup", "utf8"),
    ),
    volumeStatsMs: config["volume-stats-agg-period"],
  };
}
