// The server's side of a WebSocket (RFC 6455): the handshake, messages out, and what a client may say to a watch.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Duplex, Transform } from "node:stream";
import { badRequest } from "@skiff/api/errors.ts";
import { BEARER_SUBPROTOCOL_PREFIX } from "../authn/bearer-token.ts";

/**
 * Switches the connection over and returns the subprotocol agreed on. `supported` names those that mean something here;
 * without it any will do. Throws 400 before the first byte for a handshake that is none.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  supported?: readonly string[],
): string | undefined {
  const { headers } = request;
  const key = headers["sec-websocket-key"] ?? "";
  if (headers.upgrade?.toLowerCase() !== "websocket") throw badRequest("the only upgrade here is websocket");
  if (headers["sec-websocket-version"] !== "13") throw badRequest("websocket: version 13 is wanted");
  if (Buffer.from(key, "base64").length !== 16) throw badRequest("websocket: missing or bad Sec-WebSocket-Key");
  const protocol = chosenProtocol(headers["sec-websocket-protocol"], supported);
  const head = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${createHash("sha1").update(`${key}${MAGIC}`).digest("base64")}`,
    ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  return protocol;
}

/** From RFC 6455: proves to the client that this is no server that only echoes. */
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Browsers want one of what they offered back; the one that carries the token stays out of the answer. */
function chosenProtocol(offered: string | undefined, supported: readonly string[] | undefined): string | undefined {
  const names = (offered ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => /^[\w.+-]+$/.test(name) && !name.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  if (!supported || names.length === 0) return names[0];
  const chosen = names.find((name) => supported.includes(name));
  if (!chosen) throw badRequest(`websocket: none of the subprotocols is known here: ${supported.join(", ")}`);
  return chosen;
}

/** RFC 6455's opcodes. */
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/** One unfragmented frame; a server does not mask what it sends. */
export function webSocketFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + extra + length);
  frame[0] = 0x80 | opcode;
  frame[1] = extra === 0 ? length : extra === 2 ? 126 : 127;
  if (extra === 2) frame.writeUInt16BE(length, 2);
  if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  payload.copy(frame, 2 + extra);
  return frame;
}

/** Every line that comes in goes out as a message of its own, and a close at the end. Chunks hold whole lines. */
export function webSocketLines(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      for (let from = 0; from < chunk.length; ) {
        const end = chunk.indexOf(LINE_FEED, from) + 1 || chunk.length;
        this.push(webSocketFrame(TEXT, chunk.subarray(from, end)));
        from = end;
      }
      callback();
    },
    flush(callback) {
      callback(null, closeFrame(1000));
    },
  });
}

const LINE_FEED = 0x0a;

/** The subprotocols of a byte stream: messages of bytes, or of their base64 for clients that can only read text. */
export const BYTE_PROTOCOLS: readonly string[] = ["binary.k8s.io", "base64.binary.k8s.io"];

/** Bytes as they come, each chunk a message, after an empty one that tells the client that the stream is open. */
export function webSocketBytes(protocol: string | undefined): Transform {
  const asText = protocol === "base64.binary.k8s.io";
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      callback(
        null,
        asText ? webSocketFrame(TEXT, Buffer.from(chunk.toString("base64"))) : webSocketFrame(BINARY, chunk),
      );
    },
    flush(callback) {
      callback(null, closeFrame(1000));
    },
  });
  stream.push(webSocketFrame(asText ? TEXT : BINARY, Buffer.alloc(0)));
  return stream;
}

function closeFrame(code: number): Buffer {
  const payload = Buffer.allocUnsafe(2);
  payload.writeUInt16BE(code);
  return webSocketFrame(CLOSE, payload);
}

/**
 * Reads what the client sends: pings are answered, a close or nonsense ends it, anything else is of no meaning here.
 * `onClose` is called once.
 */
export function readWebSocket(socket: Duplex, head: Buffer, onClose: () => void): void {
  let rest: Buffer = Buffer.alloc(0);
  const close = (code: number) => {
    socket.off("data", receive);
    if (socket.writable) socket.end(closeFrame(code));
    onClose();
  };
  const receive = (chunk: Buffer) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (;;) {
      const frame = parseFrame(rest);
      if (frame === "bad") return close(1002);
      if (!frame) return;
      rest = rest.subarray(frame.size);
      if (frame.opcode === CLOSE) return close(1000);
      if (frame.opcode === PING) socket.write(webSocketFrame(PONG, frame.payload));
    }
  };
  socket.on("data", receive);
  socket.once("close", onClose);
  if (head.length > 0) receive(head);
}

interface ClientFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly size: number;
}

/** Undefined while the frame is not whole yet; clients have nothing long to say, so long frames are refused. */
function parseFrame(bytes: Buffer): ClientFrame | "bad" | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const masked = (second & 0x80) !== 0;
  const short = second & 0x7f;
  // RFC 6455: what a client sends must be masked.
  if (!masked || short === 127) return "bad";
  const headSize = short === 126 ? 8 : 6;
  if (bytes.length < headSize) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short;
  const size = headSize + length;
  if (bytes.length < size) return undefined;
  const mask = bytes.subarray(headSize - 4, headSize);
  const payload = Buffer.from(bytes.subarray(headSize, size).map((byte, i) => byte ^ (mask[i & 3] ?? 0)));
  return { opcode: first & 0x0f, payload, size };
}
