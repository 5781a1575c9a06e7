// HPACK (RFC 7541): the header fields of HTTP/2. Reading knows all of it, writing only what needs no memory.
import { decodeHuffman } from "./decode-huffman.ts";

/**
 * Fields as literals that neither side remembers: a block made once is then good for any number of requests. The update
 * in front of it says that our table stays empty, whatever size the peer allows it.
 */
export function encodeHeaders(fields: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [Buffer.from([TABLE_SIZE_UPDATE])];
  for (const [name, value] of Object.entries(fields)) {
    parts.push(Buffer.from([LITERAL]), encodeString(name), encodeString(value));
  }
  return Buffer.concat(parts);
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([encodeInteger(bytes.length, 7), bytes]);
}

/** RFC 7541, 5.1; the bits above the prefix are zeros. */
function encodeInteger(value: number, prefix: number): Buffer {
  const limit = (1 << prefix) - 1;
  if (value < limit) return Buffer.from([value]);
  const out = [limit];
  let rest = value - limit;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  return Buffer.from([...out, rest]);
}

/** Name and value, one character for each byte. */
export type HeaderField = readonly [name: string, value: string];

/** The receiving side of one connection: every block must pass through here, in order, for each may change the table. */
export class HpackDecoder {
  /** Newest first. */
  private readonly table: HeaderField[] = [];
  private tableSize = 0;
  private maxTableSize = MAX_TABLE_SIZE;
  private block: Buffer = Buffer.alloc(0);
  private at = 0;

  /** Throws RangeError for a block that breaks the rules, after which the connection is of no more use. */
  decode(block: Buffer): HeaderField[] {
    const fields: HeaderField[] = [];
    this.block = block;
    this.at = 0;
    while (this.at < block.length) {
      const byte = block[this.at] as number;
      if (byte & INDEXED) fields.push(this.fieldAt(this.integer(7)));
      else if (byte & LITERAL_REMEMBERED) fields.push(this.remember(this.literal(6)));
      else if (byte & TABLE_SIZE_UPDATE) this.resize(this.integer(5), fields.length > 0);
      else fields.push(this.literal(4));
    }
    return fields;
  }

  private literal(prefix: number): HeaderField {
    const index = this.integer(prefix);
    const name = index === 0 ? this.string() : this.fieldAt(index)[0];
    return [name, this.string()];
  }

  private fieldAt(index: number): HeaderField {
    const field = index < STATIC_TABLE.length ? STATIC_TABLE[index] : this.table[index - STATIC_TABLE.length];
    if (!field) throw new RangeError(`no header field has the index ${index}`);
    return field;
  }

  private remember(field: HeaderField): HeaderField {
    this.table.unshift(field);
    this.tableSize += sizeOf(field);
    this.evict();
    return field;
  }

  private resize(size: number, isLate: boolean): void {
    if (size > MAX_TABLE_SIZE || isLate)
      throw new RangeError("a table of header fields changes its size against the rules");
    this.maxTableSize = size;
    this.evict();
  }

  private evict(): void {
    for (let oldest = this.table.at(-1); oldest && this.tableSize > this.maxTableSize; oldest = this.table.at(-1)) {
      this.table.pop();
      this.tableSize -= sizeOf(oldest);
    }
  }

  private string(): string {
    const isHuffman = ((this.block[this.at] ?? 0) & HUFFMAN) !== 0;
    const length = this.integer(7);
    const bytes = this.block.subarray(this.at, this.at + length);
    if (bytes.length < length) throw new RangeError("a header field is cut off");
    this.at += length;
    return isHuffman ? decodeHuffman(bytes) : bytes.toString("latin1");
  }

  private integer(prefix: number): number {
    const limit = (1 << prefix) - 1;
    let value = this.byte() & limit;
    if (value < limit) return value;
    for (let factor = 1; factor <= MAX_FACTOR; factor *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number in a header field is too large");
  }

  private byte(): number {
    const byte = this.block[this.at++];
    if (byte === undefined) throw new RangeError("a header field is cut off");
    return byte;
  }
}

/** As RFC 7541 counts, in bytes. */
function sizeOf([name, value]: HeaderField): number {
  return name.length + value.length + 32;
}

const INDEXED = 0x80;
const LITERAL_REMEMBERED = 0x40;
const TABLE_SIZE_UPDATE = 0x20;
const LITERAL = 0;
const HUFFMAN = 0x80;
/** What HTTP/2 starts with, and we ask for no other. */
const MAX_TABLE_SIZE = 4096;
/** Four bytes: beyond any length that a block has. */
const MAX_FACTOR = 0x80 ** 3;

/** RFC 7541, appendix A. The place in it is the index, which starts with 1. */
const STATIC_TABLE: readonly (HeaderField | undefined)[] = [
  undefined,
  ...[
    ":authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204",
    ":status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate",
    "accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control",
    "content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type",
    "cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since",
    "last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after",
    "server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate",
  ]
    .join("|")
    .split("|")
    .map((entry): HeaderField => {
      const [name = "", value = ""] = entry.split("=");
      return [name, value];
    }),
];
