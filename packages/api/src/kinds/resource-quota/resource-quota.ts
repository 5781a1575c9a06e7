// ResourceQuota: how much of each resource a namespace may use in all.
import type { ResourceQuota } from "../../../generated/types.ts";
import { resourceQuotas } from "../../resource-ref.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { validateQuota, validateQuotaStatus, validateQuotaUpdate } from "./validate.ts";

/** Admission refuses (403) what would exceed `hard`; the controller recounts `used` from time to time. */
export const resourceQuotaKind = defineKind<ResourceQuota>({
  ref: resourceQuotas,
  shortNames: ["quota"],
  hasStatus: true,
  hasGeneration: false,
  applyDefaults(quota) {
    quota.spec ??= {};
    quota.status ??= {};
  },
  validate: validateQuota,
  validateUpdate: validateQuotaUpdate,
  validateStatusUpdate: validateQuotaStatus,
  columns: [
    nameColumn,
    column("Request", "Request represents a minimum amount of cpu/memory that a container may consume.", (quota) =>
      usage(quota, (resource) => !isLimit(resource)),
    ),
    column(
      "Limit",
      "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
      (quota) => usage(quota, isLimit),
    ),
    ageColumn,
  ],
});

const isLimit = (resource: string) => resource.startsWith("limits.");

/** `pods: 1/10, requests.cpu: 100m/1` */
function usage({ status }: Readonly<ResourceQuota>, wanted: (resource: string) => boolean): string {
  const resources = Object.keys(status?.hard ?? {})
    .filter(wanted)
    .sort();
  return resources.map((name) => `${name}: ${status?.used?.[name] ?? "0"}/${status?.hard?.[name] ?? "0"}`).join(", ");
}
