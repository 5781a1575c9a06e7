// Names of images: `[registry/]repository[:tag][@digest]`, completed as Docker and upstream do.

/** `tag` and `digest` are empty where the text has none. */
export interface ImageReference {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** A registry's host with an optional port, or an IPv6 address in brackets. */
const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const MAX_NAME_LENGTH = 255;

/** Throws an error in the words of upstream's parser. */
export function parseImageReference(text: string): ImageReference {
  const [withoutDigest = "", digest = "", ...more] = text.split("@");
  const slash = withoutDigest.lastIndexOf("/");
  const colon = withoutDigest.indexOf(":", slash + 1);
  const name = colon < 0 ? withoutDigest : withoutDigest.slice(0, colon);
  const tag = colon < 0 ? "" : withoutDigest.slice(colon + 1);
  if (more.length > 0 || (text.includes("@") && !DIGEST.test(digest)) || (colon >= 0 && !TAG.test(tag))) {
    throw new Error("invalid reference format");
  }
  // It would read as an image's id.
  if (/^[a-f0-9]{64}$/.test(name)) {
    throw new Error(`invalid repository name (${name}), cannot specify 64-byte hexadecimal strings`);
  }
  const { registry, repository } = splitName(name);
  if (!DOMAIN.test(registry)) throw new Error("invalid reference format");
  if (!repository.split("/").every((part) => PATH.test(part))) {
    const lower = repository.toLowerCase();
    const onlyCase = lower !== repository && lower.split("/").every((part) => PATH.test(part));
    throw new Error(`invalid reference format${onlyCase ? ": repository name must be lowercase" : ""}`);
  }
  if (name.length > MAX_NAME_LENGTH) {
    throw new Error(`repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  }
  return { registry, repository, tag, digest };
}

function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const head = slash < 0 ? "" : name.slice(0, slash);
  // Docker's rule: what has a dot, a port or a capital is a host, and so is localhost; the rest lies on Docker Hub.
  const isDomain = /[.:]/.test(head) || head === "localhost" || head.toLowerCase() !== head;
  if (isDomain) return { registry: head === "index.docker.io" ? "docker.io" : head, repository: name.slice(slash + 1) };
  return { registry: "docker.io", repository: slash < 0 ? `library/${name}` : name };
}

/** The image as the runtime is asked for it: with `:latest` where neither tag nor digest is given. */
export function withDefaultTag(text: string): string {
  const { tag, digest } = parseImageReference(text);
  return tag || digest ? text : `${text}:latest`;
}
