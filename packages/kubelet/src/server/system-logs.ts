// The machine's own logs at /logs/, as a file server of /var/log: folders as lists of links, files as they are.
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import type { FastifyReply, FastifyRequest } from "fastify";
import { pathOf } from "./authorize.ts";
import { HttpError } from "./http-error.ts";

type LogRequest = FastifyRequest<{ Params: { "*": string } }>;

/** Upstream's words where the setting enableSystemLogHandler is off. */
export const LOGS_REFUSED = "logs endpoint is disabled.";

/**
 * `root` is the folder. Unlike upstream, a link that leads out of it is not followed: a pod that can write there must not
 * read the rest of the machine through the kubelet.
 */
export function systemLogsHandler(root: string) {
  return async (request: LogRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const path = await inside(root, request.params["*"]);
    const found = await stat(path);
    if (!found.isDirectory()) {
      if (!found.isFile()) throw new HttpError(404, "404 page not found");
      return reply
        .type("text/plain; charset=utf-8")
        .header("last-modified", found.mtime.toUTCString())
        .send(createReadStream(path));
    }
    const asked = pathOf(request.url);
    // Links in the list are relative to a path that ends as a folder's does.
    if (!asked.endsWith("/")) return reply.redirect(`${basename(asked)}/`, 301);
    return reply.type("text/html; charset=utf-8").send(await listing(path));
  };
}

/** Throws HttpError 404 for what is not there, or is elsewhere. */
async function inside(root: string, asked: string): Promise<string> {
  const none = new HttpError(404, "404 page not found");
  if (asked.includes("\0")) throw none;
  const [top, path] = await Promise.all([realpath(root), realpath(join(root, join("/", asked)))]).catch(() => {
    throw none;
  });
  if (relative(top, path).split("/")[0] === "..") throw none;
  return path;
}

async function listing(path: string): Promise<string> {
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  const links = names.map(
    (name) => `<a href="${encodeURI(name).replace(/[?#]/g, encodeURIComponent)}">${escaped(name)}</a>\n`,
  );
  return `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${links.join("")}</pre>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

function escaped(name: string): string {
  return name.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}
