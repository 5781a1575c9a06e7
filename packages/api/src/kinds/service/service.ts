// Service: a stable name and address for pods.
import type { Service } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { services } from "../../resource-ref.ts";
import { validateConditions } from "../../validation/conditions.ts";
import { isDns1035Label } from "../../validation/names.ts";
import { root } from "../../validation/path.ts";
import { defineKind, proxySubresource } from "../define-kind.ts";
import { serviceColumns } from "./columns.ts";
import { defaultService } from "./defaults.ts";
import { normalizeClusterIps, prepareServiceUpdate } from "./prepare.ts";
import { validateLoadBalancerStatus } from "./validate-load-balancer.ts";
import { validateServiceSpec } from "./validate-spec.ts";
import { validateServiceUpdate } from "./validate-update.ts";

/** Names are DNS labels that begin with a letter (RFC 1035), as each becomes a host name of the cluster's DNS. */
export const serviceKind = defineKind<Service>({
  ref: services,
  shortNames: ["svc"],
  categories: ["all"],
  hasStatus: true,
  hasGeneration: false,
  validateName: isDns1035Label,
  applyDefaults: defaultService,
  // The status is the load balancer's to write, once there is one.
  prepareForCreate(service) {
    service.status = { loadBalancer: {} };
    normalizeClusterIps(service);
  },
  prepareForUpdate: prepareServiceUpdate,
  validate: ({ spec }) => validateServiceSpec(spec ?? {}, root("spec")),
  validateUpdate: validateServiceUpdate,
  validateStatusUpdate: ({ status, spec }): FieldError[] => [
    ...validateLoadBalancerStatus(status?.loadBalancer ?? {}, spec ?? {}, root("status").child("loadBalancer")),
    ...validateConditions(status?.conditions, root("status").child("conditions")),
  ],
  subresources: [proxySubresource("ServiceProxyOptions")],
  selectableFields: {
    // Lets clients leave out headless Services: `spec.clusterIP!=None`.
    "spec.clusterIP": ({ spec }) => spec?.clusterIP ?? "",
    "spec.type": ({ spec }) => spec?.type ?? "",
  },
  columns: serviceColumns,
});
