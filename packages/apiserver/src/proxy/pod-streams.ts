// pods/log, pods/exec, pods/attach and pods/portforward: passed on to the kubelet of the pod's node.
import type { IncomingMessage } from "node:http";
import { type Duplex, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { ApiError, badRequest, internalError, methodNotAllowed, notFound } from "@skiff/api/errors.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { attributesOf, requireAllowed } from "../filters/authorization.ts";
import type { Answer, RequestContext, ResourceHandler } from "../http/endpoint.ts";
import { acceptWebSocket, BYTE_PROTOCOLS, readWebSocket, webSocketBytes } from "../http/websocket.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { BackendPool, BackendTarget, Trust } from "./backend.ts";
import { kubeletError } from "./backend.ts";
import { locateKubelet } from "./node-location.ts";
import { chooseContainer } from "./pod-container.ts";
import { relayUpgrade } from "./relay.ts";
import { isSet, logQuery, portForwardQuery, streamQuery } from "./stream-options.ts";

/** What the streams are found, judged and carried with. */
export interface PodStreamDeps {
  readonly reader: ObjectReader;
  readonly authorizer: Authorizer;
  readonly pool: BackendPool;
  readonly log: Logger;
}

/** The kubelet speaks to the apiserver only, so that clients need no way to nodes and nodes no users of their own. */
export function createPodStreamHandlers(deps: PodStreamDeps): ResourceHandler[] {
  return [
    {
      ...POD,
      subresource: "log",
      handle: async (context) => logAnswer(await readLog(deps, context)),
      upgrade: (context, socket, head) => upgradeLog(deps, context, socket, head),
    },
    upgradeOnly(deps, "exec", (pod, context) => execPath("exec", pod, context.query, true)),
    upgradeOnly(deps, "attach", (pod, context) => execPath("attach", pod, context.query, false)),
    upgradeOnly(deps, "portforward", (pod, context) =>
      withQuery(`/portForward/${podPath(pod)}`, portForwardQuery(context.query)),
    ),
  ];
}

const POD = { group: "", version: "v1", resource: "pods" };

type PathOf = (pod: Readonly<Pod>, context: RequestContext) => string;

function upgradeOnly(deps: PodStreamDeps, subresource: string, pathOf: PathOf): ResourceHandler {
  return {
    ...POD,
    subresource,
    async handle(context) {
      refuseOtherVerbs(context, ["get", "create"]);
      // Errors of the request itself are worth more to the client than the missing upgrade.
      await locate(deps, context, pathOf);
      throw badRequest("Upgrade request required");
    },
    async upgrade(context: RequestContext, socket: Duplex, head: Buffer) {
      refuseOtherVerbs(context, ["get", "create"]);
      await requireCreate(deps.authorizer, context);
      const target = await locate(deps, context, pathOf);
      const method = context.raw.method ?? "GET";
      const reachError = (error: unknown) => kubeletError(method, target, error);
      await relayUpgrade(deps.pool, context, target, { socket, head }, reachError, deps.log);
    },
  };
}

/** A WebSocket can only be opened by a GET, but what it does is no reading: without this a right to `get` would be one to run commands. */
async function requireCreate(authorizer: Authorizer, { info, user, query }: RequestContext): Promise<void> {
  await requireAllowed({ ...attributesOf(info, user, query), verb: "create" }, authorizer);
}

function refuseOtherVerbs({ info }: RequestContext, allowed: readonly string[]): void {
  if (!allowed.includes(info.verb)) throw methodNotAllowed();
}

/** The kubelet's URL for this pod: the client never learns where it is. */
async function locate(deps: PodStreamDeps, context: RequestContext, pathOf: PathOf): Promise<BackendTarget> {
  const pod = await findPod(deps.reader, context);
  const path = pathOf(pod, context);
  const { nodeName } = pod.spec;
  if (!nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return kubeletTarget(deps.reader, nodeName, path, "kubelet", context.signal);
}

/** Read from etcd when the cache lacks it: `kubectl run --attach` asks a moment after creating. */
async function findPod(reader: ObjectReader, { info, signal }: RequestContext): Promise<Readonly<Pod>> {
  const pod = await reader.getLatest(pods, info.namespace, info.name, signal);
  if (!pod) throw notFound(pods, info.name);
  return pod;
}

/** Always HTTPS: kubelets serve nothing of this without. */
async function kubeletTarget(
  reader: ObjectReader,
  nodeName: string,
  path: string,
  trust: Trust,
  signal: AbortSignal,
): Promise<BackendTarget> {
  return { protocol: "https", ...(await locateKubelet(reader, nodeName, signal)), path, trust };
}

/** Exec has a command, attach the process that is there already. */
function execPath(kind: "exec" | "attach", pod: Readonly<Pod>, query: URLSearchParams, withCommand: boolean): string {
  const container = chooseContainer(pod, query.get("container") ?? "");
  return withQuery(`/${kind}/${podPath(pod)}/${encodeURIComponent(container)}`, streamQuery(query, withCommand));
}

function podPath({ metadata }: Readonly<Pod>): string {
  return `${encodeURIComponent(metadata.namespace ?? "")}/${encodeURIComponent(metadata.name)}`;
}

function withQuery(path: string, query: URLSearchParams): string {
  const search = query.toString();
  return search ? `${path}?${search}` : path;
}

/** The kubelet's stream of lines; undefined where no node runs the pod yet, so that it has said nothing so far. */
async function readLog({ reader, pool }: PodStreamDeps, context: RequestContext): Promise<IncomingMessage | undefined> {
  refuseOtherVerbs(context, ["get"]);
  const query = logQuery(context.query, context.info.name);
  const pod = await findPod(reader, context);
  const container = chooseContainer(pod, context.query.get("container") ?? "");
  if (!pod.spec.nodeName) return undefined;
  const path = withQuery(`/containerLogs/${podPath(pod)}/${encodeURIComponent(container)}`, query);
  // `kubectl logs --insecure-skip-tls-verify-backend`, to see why a node's certificate is not renewed.
  const trust = isSet(context.query, "insecureSkipTLSVerifyBackend") ? "kubelet-unverified" : "kubelet";
  const target = await kubeletTarget(reader, pod.spec.nodeName, path, trust, context.signal);
  const request = { method: "GET", headers: {}, signal: context.signal };
  const { response } = await pool.send(target, request).catch((error: unknown) => {
    throw kubeletError("GET", target, error);
  });
  if (response.statusCode !== 200) throw await logError(pod.metadata.name, response);
  return response;
}

function logAnswer(stream: IncomingMessage | undefined): Answer {
  // A pod that waits for a node has an empty log, not an error.
  if (!stream) return { code: 200, contentType: TEXT, bytes: "" };
  return { code: 200, contentType: TEXT, stream, live: true };
}

/** Browsers read logs through a WebSocket. */
async function upgradeLog(deps: PodStreamDeps, context: RequestContext, socket: Duplex, head: Buffer): Promise<void> {
  const { raw } = context;
  if ("stream" in raw) throw methodNotAllowed();
  const lines = (await readLog(deps, context)) ?? Readable.from([]);
  let protocol: string | undefined;
  try {
    protocol = acceptWebSocket(raw, socket, BYTE_PROTOCOLS);
  } catch (error) {
    lines.destroy();
    throw error;
  }
  readWebSocket(socket, head, () => lines.destroy());
  // A broken pipe is the client's way of leaving.
  void pipeline([lines, webSocketBytes(protocol), socket]).catch(() => socket.destroy());
}

const TEXT = "text/plain";
/** An error is a sentence; a backend that sends more is cut off. */
const MAX_ERROR_BYTES = 10_000;

/** The kubelet's words under the reason that belongs to its status. */
async function logError(name: string, response: IncomingMessage): Promise<ApiError> {
  const body = (await text(response)).slice(0, MAX_ERROR_BYTES);
  const code = response.statusCode ?? 500;
  if (code === 500) return internalError(body);
  if (code === 400) return badRequest(body);
  if (code === 404) {
    const message = `the server could not find the requested resource ( pods/log ${name})`;
    return new ApiError(404, "NotFound", body || message, { name, kind: "pods" });
  }
  const reasons: Readonly<Record<number, string>> = {
    401: "Unauthorized",
    403: "Forbidden",
    503: "ServiceUnavailable",
  };
  return new ApiError(code, reasons[code] ?? "", body || `unexpected answer ${code} of the kubelet`, {
    name,
    kind: "pods",
  });
}
