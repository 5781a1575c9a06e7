// Users as the API shows them.
import type { UserInfo as ApiUserInfo } from "@skiff/api/types.ts";
import type { UserInfo } from "../authn/authenticator.ts";

/** authentication.k8s.io/v1 UserInfo; what is empty is left out. */
export function userInfo(user: UserInfo): ApiUserInfo {
  // Copied, since the identity is shared by requests of one token.
  const extra = Object.entries(user.extra).map(([key, values]): [string, string[]] => [key, [...values]]);
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length > 0 ? { groups: [...user.groups] } : {}),
    ...(extra.length > 0 ? { extra: Object.fromEntries(extra) } : {}),
  };
}
