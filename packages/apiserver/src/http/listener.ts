// The TLS port: HTTP/1.1 and HTTP/2 side by side, client certificates asked for but not required.
import type { IncomingMessage } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { RawRequest, RawResponse } from "./exchange.ts";

/** What is served where, and how much a client may hold open. */
export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM texts. `clientCa` may hold several certificates. */
  readonly cert: string;
  readonly key: string;
  readonly clientCa: readonly string[];
  /** How long a connection may carry nothing, 2 min unless told. */
  readonly idleTimeoutMs?: number;
  /** How long a client may take to begin, 30 s unless told. */
  readonly handshakeTimeoutMs?: number;
  /** Connections at once, 10,000 unless told; further ones are closed at once. */
  readonly maxConnections?: number;
  /** A client that could not agree on TLS with us was sent away. */
  readonly onHandshakeError?: () => void;
}

/** What the port hands on; both own what they are given. */
export interface ListenerHandlers {
  request(request: RawRequest, response: RawResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** An open port. `port` is the real one where 0 was asked for. */
export interface Listener {
  readonly port: number;
  /** Stops accepting, waits for `drained`, then cuts what is still connected. */
  close(drained: Promise<void>): Promise<void>;
}

/** Rejects when the port cannot be had. */
export async function listen(options: ListenerOptions, handlers: ListenerHandlers): Promise<Listener> {
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(options);
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  server.on("request", handlers.request);
  server.on("upgrade", handlers.upgrade);
  // Below TLS, for a connection that never gets that far must not hold up a stop either.
  server.on("connection", (socket: Socket) => remember(sockets, socket));
  server.on("secureConnection", (socket: TLSSocket) => socket.on("error", () => socket.destroy()));
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("error", () => session.destroy());
    session.once("close", () => sessions.delete(session));
    closeWhenIdle(session, options.idleTimeoutMs ?? IDLE_MS);
  });
  server.on("clientError", (_error: Error, socket: Duplex) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    else socket.destroy();
  });
  // A handshake that failed or never came: Node tells of it and leaves the socket open.
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => {
    options.onHandshakeError?.();
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: (drained) => closeAll(server, sockets, sessions, drained),
  };
}

/** What TLS knows of a connection's client certificate, in the words of authentication. */
export interface PeerCertificate {
  /** DER; undefined when none was given or it could not be verified. */
  readonly peerCertificate: Uint8Array | undefined;
  readonly peerIntermediates: readonly Uint8Array[];
  readonly hasBadCertificate: boolean;
}

/** The certificate of the connection that a request came on, whichever protocol it speaks. */
export function peerCertificate(request: IncomingMessage | Http2ServerRequest): PeerCertificate {
  const socket = "stream" in request ? request.stream.session?.socket : request.socket;
  const tls = socket as TLSSocket | undefined;
  if (!tls || typeof tls.getPeerCertificate !== "function") return NO_CERTIFICATE;
  const owner: object = "stream" in request ? (request.stream.session as object) : tls;
  const known = certificates.get(owner);
  if (known) return known;
  const found = readPeer(tls);
  certificates.set(owner, found);
  return found;
}

// Reading a certificate costs more than the rest of a small request, and it cannot change within a connection.
const certificates = new WeakMap<object, PeerCertificate>();
const NO_CERTIFICATE: PeerCertificate = {
  peerCertificate: undefined,
  peerIntermediates: [],
  hasBadCertificate: false,
};

function readPeer(tls: TLSSocket): PeerCertificate {
  const leaf = tls.getPeerCertificate(true);
  if (!leaf?.raw) return NO_CERTIFICATE;
  // A certificate of another CA is not the same as none: the request is refused rather than anonymous.
  if (!tls.authorized) return { ...NO_CERTIFICATE, hasBadCertificate: true };
  const peerIntermediates: Uint8Array[] = [];
  // The chain ends in a certificate that is its own issuer.
  for (let at = leaf; at.issuerCertificate && at.issuerCertificate !== at; at = at.issuerCertificate) {
    if (peerIntermediates.push(at.issuerCertificate.raw) === MAX_INTERMEDIATES) break;
  }
  return { peerCertificate: leaf.raw, peerIntermediates, hasBadCertificate: false };
}

/** A bound for walking through what a client sent. */
const MAX_INTERMEDIATES = 10;

function createServer(options: ListenerOptions): Http2SecureServer {
  return createSecureServer({
    allowHTTP1: true,
    cert: options.cert,
    key: options.key,
    ca: [...options.clientCa],
    // Asked for, not required: tokens and anonymous clients come without, and authentication judges.
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    maxSessionMemory: MAX_SESSION_MB,
    settings: { maxConcurrentStreams: 250, initialWindowSize: WINDOW_BYTES },
    // Bodies may take long (uploads to exec); the request deadline bounds the rest.
    requestTimeout: 0,
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: 30_000,
    handshakeTimeout: options.handshakeTimeoutMs ?? 30_000,
    keepAliveTimeout: IDLE_MS,
  } as Parameters<typeof createSecureServer>[0]);
}

/** What a stream may send before somebody reads it: all of it may have to be kept. */
const WINDOW_BYTES = 64 * 1024;

/** An exec has its whole command in the URL, and one word of it may be 128 KiB long. */
const MAX_HEAD_BYTES = 256 * 1024;

/** Every connection may hold memory for a slow reader. Five thousand nodes keep two or three each. */
const MAX_CONNECTIONS = 10_000;

/** Many watches share one connection, and each may hold what its slow reader has not taken yet: about 100 KB. */
const MAX_SESSION_MB = 24;

/** HTTP/1.1's keep-alive for HTTP/2, which has none: strangers could pile connections up for ever. */
function closeWhenIdle(session: ServerHttp2Session, idleMs: number): void {
  let open = 0;
  session.on("stream", (stream) => {
    open += 1;
    stream.once("close", () => {
      open -= 1;
      if (open === 0 && !session.closed) session.setTimeout(idleMs);
    });
  });
  // A silent watch is no idleness.
  session.on("timeout", () => open === 0 && session.close());
  session.setTimeout(idleMs);
}

const IDLE_MS = 120_000;

function remember(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.once("close", () => sockets.delete(socket));
}

async function closeAll(
  server: Http2SecureServer,
  sockets: ReadonlySet<Socket>,
  sessions: ReadonlySet<ServerHttp2Session>,
  drained: Promise<void>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // GOAWAY: running streams end, new ones go elsewhere.
  for (const session of sessions) session.close();
  await drained;
  for (const socket of sockets) socket.destroy();
  await closed;
}
