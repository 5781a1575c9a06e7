// The head of an upgrade request, made anew for the container runtime so that no credential travels on. Pure.

/** Node's flat list of header names and values, in the order and spelling in which they came. */
export type RawHeaders = readonly string[];

/** Browsers send a token as a subprotocol of this prefix, since they cannot set headers. */
export const BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io.";

/** What the two ends of the stream say to each other; anything else stays here. */
const PASSED: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "content-length",
  "content-type",
  "origin",
  "traceparent",
  "tracestate",
  "upgrade",
  "user-agent",
  "x-stream-protocol-version",
]);

/** The headers for a request to `host`. Repeated ones stay repeated, as SPDY clients offer their versions. */
export function rebuildHead(headers: RawHeaders, method: string, host: string): string[] {
  const head = ["Host", host, "Connection", "Upgrade"];
  for (const [name, value] of pairs(headers)) {
    const key = name.toLowerCase();
    if (key === "sec-websocket-protocol") {
      const protocols = protocolsIn(value).filter((protocol) => !protocol.startsWith(BEARER_PROTOCOL));
      if (protocols.length > 0) head.push(name, protocols.join(", "));
    } else if (PASSED.has(key) || key.startsWith("sec-websocket-")) {
      head.push(name, value);
    }
  }
  const hasLength = [...pairs(headers)].some(([name]) => name.toLowerCase() === "content-length");
  // Without it a POST would be announced as chunked, and its terminator would run into the stream.
  if (method !== "GET" && !hasLength) head.push("Content-Length", "0");
  return head;
}

/** The subprotocols that a WebSocket client offers. */
export function websocketProtocols(headers: RawHeaders): string[] {
  return [...pairs(headers)].flatMap(([name, value]) =>
    name.toLowerCase() === "sec-websocket-protocol" ? protocolsIn(value) : [],
  );
}

/** A body before the switch has no place in either protocol. */
export function hasBody(headers: RawHeaders): boolean {
  return [...pairs(headers)].some(([name, value]) => {
    const key = name.toLowerCase();
    return key === "transfer-encoding" || (key === "content-length" && value.trim() !== "0");
  });
}

/** These speak of one connection only, and the relayed answer says of its own that it closes. */
const HOP_BY_HOP: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "trailer"]);

/** The text of an answer's head; `closes` for one that does not switch protocols. */
export function answerHead(status: number, text: string, headers: RawHeaders, closes: boolean): string {
  const lines = [`HTTP/1.1 ${status} ${text}`];
  for (const [name, value] of pairs(headers)) {
    if (!closes || !HOP_BY_HOP.has(name.toLowerCase())) lines.push(`${name}: ${value}`);
  }
  if (closes) lines.push("Connection: close");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function protocolsIn(value: string): string[] {
  return value
    .split(",")
    .map((protocol) => protocol.trim())
    .filter(Boolean);
}

function* pairs(headers: RawHeaders): Generator<[string, string]> {
  for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at] ?? "", headers[at + 1] ?? ""];
}
