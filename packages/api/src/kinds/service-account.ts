// ServiceAccount: an identity for pods; its tokens are made by the token subresource.
import type { ServiceAccount } from "../../generated/types.ts";
import { serviceAccounts } from "../resource-ref.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

/** Its user name is `system:serviceaccount:NAMESPACE:NAME`, in the groups of all accounts and of its namespace's. */
export const serviceAccountKind = defineKind<ServiceAccount>({
  ref: serviceAccounts,
  shortNames: ["sa"],
  prepareForCreate: keepSecretNames,
  prepareForUpdate: keepSecretNames,
  subresources: [
    { name: "token", group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"] },
  ],
  columns: [
    nameColumn,
    column("Secrets", ["ServiceAccount", "secrets"], (account) => account.secrets?.length ?? 0),
    ageColumn,
  ],
});

/** Secrets are named; whatever else a reference could say means nothing here. */
function keepSecretNames(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => (name ? { name } : {}));
}
