// Leads the links of what is behind the proxy back through it: in redirects, and in the tags of HTML pages.
import { Transform } from "node:stream";
import type { ProxyAddress } from "./proxy-target.ts";

/** From a URL as the backend writes it to one that works for the client. */
export type LinkRewriter = (url: string) => string;

/** Paths, and URLs of the backend under either of its names, get the proxy's path; others are somebody else's. */
export function linkRewriter(
  { host, port }: Pick<ProxyAddress, "host" | "port">,
  prefix: string,
  requestHost: string | undefined,
): LinkRewriter {
  const own = new Set(["", host, `${host}:${port}`, ...(requestHost ? [requestHost] : [])]);
  return (url) => {
    const [, authority = "", path = "", rest = ""] = /^(?:https?:)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/is.exec(url) ?? [];
    const hasHost = authority !== "";
    if (!own.has(authority) || (!hasHost && !path.startsWith("/"))) return url;
    // A backend that reads X-Forwarded-Uri has built its links right already.
    if (path === prefix || path.startsWith(`${prefix}/`)) return url;
    return `${prefix}${path || "/"}${rest}`;
  };
}

/** Passes a page on with its links rewritten, whatever its encoding: only ASCII is looked at. */
export function rewriteHtml(rewrite: LinkRewriter): Transform {
  const scanner = new HtmlScanner(rewrite);
  return new Transform({
    transform: (chunk: Buffer, _encoding, callback) =>
      callback(null, Buffer.from(scanner.push(chunk.toString("latin1")), "latin1")),
    flush: (callback) => callback(null, Buffer.from(scanner.end(), "latin1")),
  });
}

/** The attributes of each element that hold a URL: upstream's table. */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  a: ["href"],
  applet: ["codebase"],
  area: ["href"],
  audio: ["src"],
  base: ["href"],
  blockquote: ["cite"],
  body: ["background"],
  button: ["formaction"],
  command: ["icon"],
  del: ["cite"],
  embed: ["src"],
  form: ["action"],
  frame: ["longdesc", "src"],
  head: ["profile"],
  html: ["manifest"],
  iframe: ["longdesc", "src"],
  img: ["longdesc", "src", "usemap"],
  input: ["src", "usemap", "formaction"],
  ins: ["cite"],
  link: ["href"],
  object: ["classid", "codebase", "data", "usemap"],
  q: ["cite"],
  script: ["src"],
  source: ["src"],
  video: ["poster", "src"],
};

/** Elements whose content is text, whatever it looks like. */
const RAW = new Set(["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"]);
const COMMENT = "!--";
/** A tag that is longer is passed on as it is. */
const MAX_TAG = 65_536;
/** A comment's begin, a declaration, an end tag, or a start tag. None spans another `<` outside quotes, which keeps this linear. */
const TAG = /<(?:!--|[!?/][^<>]*>|[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*>)/g;
const ATTRIBUTE = /(\s)([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g;

/** Not a parser: finds tags in a stream of chunks, and keeps what may be half of one for the next. */
class HtmlScanner {
  private readonly rewrite: LinkRewriter;
  private rest = "";
  /** The element or comment whose end is awaited, within which nothing else counts. */
  private raw = "";

  constructor(rewrite: LinkRewriter) {
    this.rewrite = rewrite;
  }

  /** What can be passed on by now. */
  push(text: string): string {
    const input = this.rest + text;
    let done = 0;
    let output = "";
    for (let match = this.next(input, 0); match; match = this.next(input, done)) {
      output += input.slice(done, match.index) + this.tag(match[0]);
      done = match.index + match[0].length;
    }
    const keep = this.unfinished(input, done);
    this.rest = input.slice(keep);
    return output + input.slice(done, keep);
  }

  end(): string {
    const { rest } = this;
    this.rest = "";
    return rest;
  }

  private next(input: string, from: number): RegExpExecArray | null {
    const pattern = !this.raw ? TAG : this.raw === COMMENT ? /-->/g : new RegExp(`</${this.raw}[\\s/>]`, "gi");
    pattern.lastIndex = from;
    return pattern.exec(input);
  }

  /** Where a tag begins that is not whole yet. All before it goes on at once: pages may come slowly. */
  private unfinished(input: string, done: number): number {
    if (this.raw) return Math.max(done, input.length - this.raw.length - 2);
    const at = input.slice(done).search(/<(?:[a-zA-Z!?/]|$)/);
    return at < 0 || input.length - done - at > MAX_TAG ? input.length : done + at;
  }

  private tag(text: string): string {
    if (this.raw) {
      this.raw = "";
      return text;
    }
    if (text === "<!--") this.raw = COMMENT;
    const name = /^<([a-zA-Z][^\s/>]*)/.exec(text)?.[1]?.toLowerCase();
    if (!name) return text;
    if (RAW.has(name)) this.raw = name;
    const links = LINKS[name];
    return links ? this.attributes(text, links) : text;
  }

  private attributes(tag: string, links: readonly string[]): string {
    return tag.replace(ATTRIBUTE, (whole: string, space: string, name: string, equals: string, value: string) => {
      if (!links.includes(name.toLowerCase())) return whole;
      const quote = /^["']/.exec(value)?.[0] ?? "";
      const url = value.slice(quote.length, value.length - quote.length).replaceAll("&amp;", "&");
      const next = this.rewrite(url);
      return next === url ? whole : `${space}${name}${equals}${quote}${next.replaceAll("&", "&amp;")}${quote}`;
    });
  }
}
