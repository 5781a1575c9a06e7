// Asks the API for ServiceAccount tokens that are bound to a pod.
import { serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { AuthenticationV1TokenRequest } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { RequestToken } from "./token-manager.ts";

/** The API lets a node ask only for accounts of its pods, and binds the token to the pod, so that it ends with it. */
export function requestToken(client: RestClient): RequestToken {
  return async (namespace, serviceAccount, spec, signal, uid) => {
    const metadata = uid ? { uid } : {};
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", metadata, spec };
    const accounts = client.of(serviceAccounts);
    const answer = await accounts.createSubresource(namespace, serviceAccount, "token", body, { signal });
    const { status } = answer as AuthenticationV1TokenRequest;
    if (!status?.token || !status.expirationTimestamp) throw new Error("the API server gave no token");
    return { token: status.token, expirationTimestamp: status.expirationTimestamp };
  };
}
