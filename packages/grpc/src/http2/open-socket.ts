// The connection below HTTP/2: TCP, with TLS on it where the URL asks for it, or a Unix socket.
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

/** Where to connect to and how it is trusted. */
export interface Peer {
  /** `https://127.0.0.1:2379`, `http:` for a plain connection, `unix:///run/containerd/containerd.sock` for a local one. */
  readonly url: string;
  /** PEM texts. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
}

/** What becomes of it. */
export interface SocketHandlers {
  /** The peer may be written to: with TLS it has proved who it is. */
  onConnect(): void;
  /** A view of memory that the next chunk overwrites. */
  onChunk(chunk: Buffer): void;
  /** Once, unless it was destroyed here. */
  onClose(error: Error): void;
}

export interface PeerSocket {
  readonly isConnected: boolean;
  write(bytes: Buffer): void;
  destroy(): void;
}

/** Returns at once. */
export function openSocket({ url, tls }: Peer, handlers: SocketHandlers): PeerSocket {
  const { protocol, hostname, port, pathname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const isSecure = protocol === "https:";
  // Chunks come without the events and buffers of a stream.
  const onread = {
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    callback: (size: number, buffer: Uint8Array) => {
      handlers.onChunk((buffer as Buffer).subarray(0, size));
      return true;
    },
  };
  const place =
    protocol === "unix:"
      ? { path: decodeURIComponent(pathname), onread }
      : { host, port: Number(port || (isSecure ? 443 : 80)), noDelay: true, onread };
  // Addresses are not allowed as server names; certificates are compared with the host all the same.
  const name = isIP(host) ? {} : { servername: host };
  const socket: Socket | TLSSocket = isSecure
    ? connectTls({ ...place, ...name, ...tls, ALPNProtocols: ["h2"] })
    : connectTcp(place);
  let isConnected = false;
  let failure: Error | undefined;
  socket.once(isSecure ? "secureConnect" : "connect", () => {
    if ("alpnProtocol" in socket && socket.alpnProtocol !== "h2") {
      return void socket.destroy(new Error(`${url} does not speak HTTP/2`));
    }
    isConnected = true;
    handlers.onConnect();
  });
  socket.on("error", (error) => {
    // A name with several addresses fails with all their errors, and a text of its own that is empty.
    failure = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  });
  socket.once("close", () => handlers.onClose(failure ?? new Error("the connection was closed")));
  return {
    get isConnected() {
      return isConnected;
    },
    write: (bytes) => void socket.write(bytes),
    destroy: () => void socket.destroy(),
  };
}

/** As much as TLS hands over at once, four records of it. */
const READ_BYTES = 64 * 1024;
