// The environment variables that name the Services of a namespace (`WEB_SERVICE_HOST`, `WEB_PORT_80_TCP_ADDR`, …).
import type { Service, ServicePort } from "@skiff/api/types.ts";

/** The API server's Service is seen from every namespace, which is how clients inside the cluster find it. */
const MASTER_NAMESPACE = "default";
const MASTER_SERVICES: ReadonlySet<string> = new Set(["kubernetes"]);

/** Variables of the Services that a pod of `namespace` sees; `links` false leaves only the API server's own. */
export function serviceEnv(services: readonly Service[], namespace: string, links: boolean): Map<string, string> {
  const visible = new Map<string, Service>();
  for (const service of services) {
    const ip = service.spec?.clusterIP;
    // A headless Service has no address of its own to tell.
    if (!ip || ip === "None") continue;
    const { name, namespace: own = "" } = service.metadata;
    if (own === MASTER_NAMESPACE && MASTER_SERVICES.has(name)) {
      if (!visible.has(name)) visible.set(name, service);
    }
    // The namespace's own Services win over the API server's of the same name.
    if (own === namespace && links) visible.set(name, service);
  }
  const env = new Map<string, string>();
  for (const service of visible.values()) addService(service, env);
  return env;
}

function addService(service: Service, env: Map<string, string>): void {
  const ports = service.spec?.ports ?? [];
  const [first] = ports;
  if (!first) return;
  const name = envName(service.metadata.name);
  const ip = service.spec?.clusterIP ?? "";
  env.set(`${name}_SERVICE_HOST`, ip);
  env.set(`${name}_SERVICE_PORT`, String(first.port));
  for (const port of ports) {
    if (port.name) env.set(`${name}_SERVICE_PORT_${envName(port.name)}`, String(port.port));
  }
  ports.forEach((port, index) => {
    addLink(name, ip, port, index === 0, env);
  });
}

function addLink(name: string, ip: string, port: ServicePort, isFirst: boolean, env: Map<string, string>): void {
  const protocol = port.protocol ?? "TCP";
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const url = `${protocol.toLowerCase()}://${host}:${port.port}`;
  if (isFirst) env.set(`${name}_PORT`, url);
  const prefix = `${name}_PORT_${port.port}_${protocol.toUpperCase()}`;
  env.set(prefix, url);
  env.set(`${prefix}_PROTO`, protocol.toLowerCase());
  env.set(`${prefix}_PORT`, String(port.port));
  env.set(`${prefix}_ADDR`, ip);
}

function envName(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}
