// Ingress: HTTP hosts and paths that lead to Services.

import type { Ingress } from "../../../generated/types.ts";
import { ingresses } from "../../resource-ref.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { formatUpToThree } from "../endpoint-rules.ts";
import { ingressBeta } from "../older/ingress.ts";
import { validateIngress, validateIngressCreate, validateIngressStatus } from "./validate.ts";

const OLD_CLASS = "kubernetes.io/ingress.class";

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
      return i.spec?.ingressClassName ?? i.metadata.annotations?.[OLD_CLASS] ?? "<none>";
    }),
    column("Hosts", "Hosts that this ingress is setup to listen on", formatHosts),
    column("Address", "Address is a list containing ingress points for the load-balancer", ({ status }) =>
      (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "").join(","),
    ),
    column("Ports", "Ports of TLS configurations that open", ({ spec }) => (spec?.tls?.length ? "80, 443" : "80")),
    ageColumn,
  ],
});

function formatHosts({ spec }: Readonly<Ingress>): string {
  const hosts = (spec?.rules ?? []).map(({ host }) => host ?? "").filter(Boolean);
  return formatUpToThree(hosts, "*");
}
