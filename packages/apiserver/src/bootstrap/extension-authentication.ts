// The ConfigMap from which extension apiservers and delegated programs learn whom to trust.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import { configMaps } from "@skiff/api/resource-ref.ts";
import type { ConfigMap } from "@skiff/api/types.ts";
import type { RequestHeaderConfig } from "../authn/front-proxy.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";

/** Where aggregated servers look, who may read it by the Role of the same name with `-reader`. */
const NAMESPACE = "kube-system";
const NAME = "extension-apiserver-authentication";

/** What clients prove their identity with; PEM texts. */
export interface PublishedAuthentication {
  readonly clientCa?: string | undefined;
  readonly requestHeader?: RequestHeaderConfig | undefined;
}

/** Makes the ConfigMap or corrects the keys that are ours; other keys stay. Another apiserver may publish the same. */
export async function publishAuthentication(
  authentication: PublishedAuthentication,
  { reader, writer }: { readonly reader: ObjectReader; readonly writer: ObjectWriter },
  signal: AbortSignal,
): Promise<void> {
  const data = authenticationData(authentication);
  const change = (current: ConfigMap) => {
    const isSame = Object.entries(data).every(([key, value]) => current.data?.[key] === value);
    return isSame ? undefined : { ...current, data: { ...current.data, ...data } };
  };
  const cached = reader.get(configMaps, NAMESPACE, NAME);
  if (cached && !change(cached)) return;
  if (!cached) {
    try {
      await writer.create(configMaps, { metadata: { name: NAME, namespace: NAMESPACE }, data }, signal);
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
  await writer.update(configMaps, NAMESPACE, NAME, change, signal);
}

/** Lists are JSON texts, as upstream. */
function authenticationData({ clientCa, requestHeader }: PublishedAuthentication): Record<string, string> {
  return {
    ...(clientCa ? { "client-ca-file": clientCa } : {}),
    ...(requestHeader
      ? {
          "requestheader-client-ca-file": requestHeader.ca,
          "requestheader-allowed-names": JSON.stringify(requestHeader.allowedNames),
          "requestheader-username-headers": JSON.stringify(requestHeader.usernameHeaders),
          "requestheader-group-headers": JSON.stringify(requestHeader.groupHeaders),
          "requestheader-extra-headers-prefix": JSON.stringify(requestHeader.extraPrefixes),
        }
      : {}),
  };
}
