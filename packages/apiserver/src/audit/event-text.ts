// Other forms of an audit event: cut down to a size, and as the one line of text that upstream calls legacy. Pure.

/** Without its bodies if it is too long, undefined if it still is. */
export function truncateEvent(event: string, maxBytes: number | undefined): string | undefined {
  if (maxBytes === undefined || Buffer.byteLength(event) <= maxBytes) return event;
  const { requestObject: _request, responseObject: _response, ...rest } = JSON.parse(event) as Record<string, object>;
  const cut = JSON.stringify({ ...rest, annotations: { ...rest.annotations, "audit.k8s.io/truncated": "true" } });
  return Buffer.byteLength(cut) <= maxBytes ? cut : undefined;
}

interface Actor {
  readonly username?: string;
  readonly groups?: readonly string[];
}

interface EventFields {
  readonly requestReceivedTimestamp: string;
  readonly auditID: string;
  readonly stage: string;
  readonly sourceIPs?: readonly string[];
  readonly verb: string;
  readonly user: Actor;
  readonly impersonatedUser?: Actor;
  readonly userAgent?: string;
  readonly objectRef?: { readonly namespace?: string };
  readonly requestURI: string;
  readonly responseStatus?: { readonly code?: number };
}

/** The format of --audit-log-format=legacy, for tools that read it by words. */
export function legacyLine(event: string): string {
  const { user, impersonatedUser: as, ...fields } = JSON.parse(event) as EventFields;
  const words = {
    id: quote(fields.auditID),
    stage: quote(fields.stage),
    ip: quote(fields.sourceIPs?.[0] ?? "<unknown>"),
    method: quote(fields.verb),
    user: quote(user.username || "<none>"),
    groups: quote(user.username ? listed(user.groups, "<none>") : "<none>"),
    as: quote(as ? (as.username ?? "") : "<self>"),
    asgroups: quote(listed(as?.groups, "<lookup>")),
    "user-agent": quote(fields.userAgent ?? ""),
    namespace: quote(fields.objectRef?.namespace || "<none>"),
    uri: quote(fields.requestURI),
    response: quote(String(fields.responseStatus?.code ?? "<deferred>")),
  };
  const text = Object.entries(words).map(([name, word]) => `${name}=${word}`);
  return `${fields.requestReceivedTimestamp} AUDIT: ${text.join(" ")}`;
}

function listed(groups: readonly string[] | undefined, none: string): string {
  return groups?.length ? groups.map(quote).join(",") : none;
}

const quote = (text: string) => JSON.stringify(text);
