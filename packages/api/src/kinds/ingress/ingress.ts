// Ingress: HTTP hosts and paths that lead to Services.

import type { Ingress } from "../../../generated/types.ts";
import { ingresses } from "../../resource-ref.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { ingressBeta } from "../older/ingress.ts";
import { validateIngress, validateIngressCreate, validateIngressStatus } from "./validate.ts";

// As many as kubectl shows in one cell.
const MAX_HOSTS = 3;

/** An ingress controller serves it; the API server only keeps it. */
export const ingressKind = defineKind<Ingress>({
  ref: ingresses,
  otherVersions: [ingressBeta],
  shortNames: ["ing"],
  hasStatus: true,
  applyDefaults(ingress) {
    ingress.spec ??= {};
    ingress.status ??= {};
    ingress.status.loadBalancer ??= {};
  },
  prepareForCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  validate: validateIngress,
  validateCreate: validateIngressCreate,
  validateStatusUpdate: validateIngressStatus,
  columns: [
    nameColumn,
    column("Class", "The name of the IngressClass resource that should be used for additional configuration", (i) => {
      return i.spec?.ingressClassName ?? "<none>";
    }),
    column("Hosts", "Hosts that incoming requests are matched against before the ingress rule", formatHosts),
    column("Address", "Address is a list containing ingress points for the load-balancer", formatAddresses),
    column("Ports", "Ports of TLS configurations that open", ({ spec }) => (spec?.tls?.length ? "80, 443" : "80")),
    ageColumn,
  ],
});

/** Each address once, sorted. */
function formatAddresses({ status }: Readonly<Ingress>): string {
  const points = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "");
  return [...new Set(points.filter(Boolean))].sort().join(",");
}

/** Rules without a host count among those that are not shown, as upstream has it. */
function formatHosts({ spec }: Readonly<Ingress>): string {
  const rules = spec?.rules ?? [];
  const shown: string[] = [];
  for (const { host } of rules) {
    if (shown.length === MAX_HOSTS) return `${shown.join(",")} + ${rules.length - MAX_HOSTS} more...`;
    if (host) shown.push(host);
  }
  return shown.join(",") || "*";
}
