// What `kubectl get services` shows.
import type { Service, ServicePort } from "../../../generated/types.ts";
import type { Column } from "../../kind.ts";
import { formatLabels } from "../../labels.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";

/** The columns of `kubectl get services`. */
export const serviceColumns: readonly Column<Service>[] = [
  nameColumn,
  column("Type", ["ServiceSpec", "type"], ({ spec }) => spec?.type ?? ""),
  column(
    "Cluster-IP",
    ["ServiceSpec", "clusterIP"],
    ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || "<none>",
  ),
  column("External-IP", ["ServiceSpec", "externalIPs"], externalIp),
  column("Port(s)", ["ServiceSpec", "ports"], ({ spec }) => (spec?.ports ?? []).map(formatPort).join(",") || "<none>"),
  ageColumn,
  column("Selector", ["ServiceSpec", "selector"], ({ spec }) => formatLabels(spec?.selector) || "<none>", {
    wide: true,
  }),
];

/** `80:30080/TCP` with a node port, `80/TCP` without. */
function formatPort({ port, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}

/** What to call from outside: a name, the balancer's addresses, or those that the user routes here. */
function externalIp({ spec, status }: Readonly<Service>): string {
  const external = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ExternalName":
      return spec.externalName ?? "";
    case "LoadBalancer": {
      const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "");
      const all = [...new Set(ingress), ...external].filter(Boolean);
      // The address comes from a load balancer's controller, which may take its time or not exist.
      return all.join(",") || "<pending>";
    }
    default:
      return external.join(",") || "<none>";
  }
}
