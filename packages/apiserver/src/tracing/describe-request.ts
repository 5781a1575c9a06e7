// The name and attributes of a request's span: names are few, as they group spans, and say nothing of whose object it is.
import type { Exchange } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { Attributes } from "./encode-span.ts";

export function describeRequest({ raw, info, auditId }: Exchange): { name: string; attributes: Attributes } {
  const method = raw.method ?? "GET";
  const attributes = {
    "http.request.method": method,
    "url.path": info.path,
    "user_agent.original": raw.headers["user-agent"],
    "network.protocol.version": raw.httpVersion,
    "audit-id": auditId,
  };
  return { name: info.isResourceRequest ? `${method} ${routeOf(info)}` : method, attributes };
}

/** `/apis/apps/v1/namespaces/{:namespace}/deployments/{:name}/scale` */
function routeOf({ group, version, namespace, resource, name, subresource }: RequestInfo): string {
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const place = namespace ? "/namespaces/{:namespace}" : "";
  return `${root}${place}/${resource}${name ? "/{:name}" : ""}${subresource ? `/${subresource}` : ""}`;
}
