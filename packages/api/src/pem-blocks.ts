// Finds the blocks of a PEM text, as leniently as Go's reader: what lies between blocks, and blocks that are broken, is passed over.

/** `der` is the decoded body. Headers are lines such as `Proc-Type: 4,ENCRYPTED` before it. */
export interface PemBlock {
  readonly type: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly der: Buffer;
}

const BLOCK = /^-----BEGIN ([^\r\n]*)-----[ \t]*\r?\n([\s\S]*?)^-----END \1-----[ \t]*$/gm;
const HEADER = /^([^:\r\n]+):[ \t]*(.*)$/;
const BODY = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, type = "", inner = ""] of text.matchAll(BLOCK)) {
    const lines = inner.split(/\r?\n/);
    const headers = new Map<string, string>();
    for (let header = HEADER.exec(lines[0] ?? ""); header; header = HEADER.exec(lines[0] ?? "")) {
      headers.set(header[1]?.trim() ?? "", header[2]?.trim() ?? "");
      lines.shift();
    }
    const body = lines.join("").replace(/[ \t]/g, "");
    if (BODY.test(body)) blocks.push({ type, headers, der: Buffer.from(body, "base64") });
  }
  return blocks;
}

/** One block as everybody writes it: lines of 64 characters. */
export function pemText(type: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${type}-----`, ...lines, `-----END ${type}-----`, ""].join("\n");
}
