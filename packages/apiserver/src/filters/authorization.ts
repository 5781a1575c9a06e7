// Asks the authorizer and words its refusal as upstream does.
import { ApiError } from "@skiff/api/errors.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Authorizer, Decision } from "../authz/authorizer.ts";
import type { RequestInfo } from "../http/request-info.ts";

/** What policy is asked about a request, from its URL and user. */
export function attributesOf(info: RequestInfo, user: UserInfo, query: URLSearchParams): AuthorizationAttributes {
  return { ...info, user, fieldSelector: query.get("fieldSelector") ?? undefined };
}

/** Throws 403 unless the authorizer allows it; `note` hears of the decision first. */
export async function requireAllowed(
  attributes: AuthorizationAttributes,
  authorizer: Authorizer,
  note?: (decision: Decision) => void,
): Promise<void> {
  const answer = authorizer.authorize(attributes);
  const decision = answer instanceof Promise ? await answer : answer;
  note?.(decision);
  if (decision.verdict !== "allow") throw refusal(attributes, decision.reason);
}

/** `pods "web" is forbidden: User "bob" cannot get resource "pods" in API group "" in the namespace "default"`. */
function refusal(attributes: AuthorizationAttributes, reason: string): ApiError {
  const { user, verb, group, resource, name, path, isResourceRequest } = attributes;
  const who = `User "${user.name}" cannot ${verb}`;
  const because = reason ? `: ${reason}` : "";
  if (!isResourceRequest) {
    return new ApiError(403, "Forbidden", `forbidden: ${who} path "${path}"${because}`, {});
  }
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = `${qualified}${name ? ` "${name}"` : ""}`;
  const message = `${subject} is forbidden: ${who} ${describe(attributes)}${because}`;
  const details = { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: resource };
  return new ApiError(403, "Forbidden", message, details);
}

function describe({ resource, subresource, group, namespace }: AuthorizationAttributes): string {
  const what = subresource ? `${resource}/${subresource}` : resource;
  const where = namespace ? `in the namespace "${namespace}"` : "at the cluster scope";
  return `resource "${what}" in API group "${group}" ${where}`;
}
