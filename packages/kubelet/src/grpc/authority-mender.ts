// Lets gRPC clients in whose `:authority` is the path of the socket they dialled, which Node's HTTP/2 would refuse.
// Go's gRPC sends such a path unless told otherwise, as most device plugins and monitors do; RFC 9113 allows no slash there.

const PREFACE_BYTES = 24;
const FRAME_HEAD_BYTES = 9;
const HEADERS = 1;
const PADDED = 0x08;
const PRIORITY = 0x20;
/** The longest frame that a peer may send unless it was allowed more, which it is not. */
const LONGEST_FRAME = 16_384;
/** `:authority` in HPACK's static table. */
const AUTHORITY_INDEX = 1;

/**
 * Turns slashes of `:authority` into hyphens in what a client sends. Both are as long, plain and in HPACK's Huffman code,
 * so that neither frames nor the tables of compression change.
 */
export class AuthorityMender {
  /** A frame's beginning whose rest has not come. */
  private held: Buffer = Buffer.alloc(0);
  /** Bytes that pass as they are. */
  private passing = PREFACE_BYTES;

  /** What to hand on of what has come so far. */
  feed(chunk: Buffer): Buffer {
    // A copy: the frames are mended in place.
    const bytes = Buffer.concat([this.held, chunk]);
    let at = 0;
    while (at < bytes.length) {
      if (this.passing > 0) {
        const step = Math.min(this.passing, bytes.length - at);
        this.passing -= step;
        at += step;
        continue;
      }
      if (bytes.length - at < FRAME_HEAD_BYTES) break;
      const length = bytes.readUIntBE(at, 3);
      if (bytes[at + 3] !== HEADERS || length > LONGEST_FRAME) {
        this.passing = FRAME_HEAD_BYTES + length;
        continue;
      }
      const end = at + FRAME_HEAD_BYTES + length;
      if (end > bytes.length) break;
      mendHeaders(bytes[at + 4] ?? 0, bytes.subarray(at + FRAME_HEAD_BYTES, end));
      at = end;
    }
    this.held = bytes.subarray(at);
    return bytes.subarray(0, at);
  }
}

function mendHeaders(flags: number, payload: Buffer): void {
  const padding = flags & PADDED ? (payload[0] ?? 0) : 0;
  const start = (flags & PADDED ? 1 : 0) + (flags & PRIORITY ? 5 : 0);
  mendBlock(payload.subarray(start, payload.length - padding));
}

/** The fields of a header block one after the other (RFC 7541, section 6); names and indexed values are passed over. */
function mendBlock(block: Buffer): void {
  for (let at = 0; at < block.length; ) {
    const first = block[at] ?? 0;
    if (first & 0x80) {
      at = readInteger(block, at, 7).next;
    } else if ((first & 0xe0) === 0x20) {
      at = readInteger(block, at, 5).next;
    } else {
      const name = readInteger(block, at, first & 0x40 ? 6 : 4);
      at = name.value === 0 ? endOfString(block, name.next) : name.next;
      const value = readInteger(block, at, 7);
      const end = value.next + value.value;
      if (name.value === AUTHORITY_INDEX) {
        const text = block.subarray(value.next, end);
        if ((block[at] ?? 0) & 0x80) mendHuffman(text);
        else mendPlain(text);
      }
      at = end;
    }
  }
}

function endOfString(block: Buffer, at: number): number {
  const { value, next } = readInteger(block, at, 7);
  return next + value;
}

/** An integer whose first byte has `prefix` bits for it (RFC 7541, section 5.1). */
function readInteger(block: Buffer, at: number, prefix: number): { value: number; next: number } {
  const most = 2 ** prefix - 1;
  let value = (block[at] ?? 0) & most;
  let next = at + 1;
  if (value < most) return { value, next };
  for (let scale = 1; next < block.length; scale *= 128) {
    const byte = block[next++] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return { value, next };
}

function mendPlain(text: Buffer): void {
  for (let at = text.indexOf("/"); at >= 0; at = text.indexOf("/", at)) text[at] = "-".charCodeAt(0);
}

/** `/` is 011000 and `-` is 010110, so three bits in the middle turn one into the other. */
const SLASH = 0b011000;
const SLASH_TO_HYPHEN = [2, 3, 4];

function mendHuffman(text: Buffer): void {
  for (let at = 0; at < text.length * 8; ) {
    const bits = eightBits(text, at);
    if (bits >> 2 === SLASH) for (const bit of SLASH_TO_HYPHEN) flip(text, at + bit);
    const length = codeLength(bits);
    if (length === undefined) return;
    at += length;
  }
}

/**
 * How long the code is that starts with these bits: the table goes by rising codes (RFC 7541, appendix B). Undefined for codes
 * longer than eight bits, which no path of a socket needs, and for the padding at the end.
 */
function codeLength(bits: number): number | undefined {
  if (bits >> 3 <= 0x09) return 5;
  if (bits >> 2 <= 0x2d) return 6;
  if (bits >> 1 <= 0x7b) return 7;
  return bits <= 0xfd ? 8 : undefined;
}

/** Beyond the end there are ones, as in the padding. */
function eightBits(text: Buffer, at: number): number {
  const byte = at >> 3;
  const pair = ((text[byte] ?? 0xff) << 8) | (text[byte + 1] ?? 0xff);
  return (pair >> (8 - (at & 7))) & 0xff;
}

function flip(text: Buffer, at: number): void {
  const byte = at >> 3;
  text[byte] = (text[byte] ?? 0) ^ (0x80 >> (at & 7));
}
