// Image references, as far as defaults depend on them.

/** The tag of an image reference; "latest" where neither tag nor digest is given, "" for a bare digest and for nonsense. */
export function parseImageTag(image: string): string {
  if (!REFERENCE_RE.test(image)) return "";
  const at = image.indexOf("@");
  const name = at < 0 ? image : image.slice(0, at);
  // A colon before the last slash belongs to the registry's port.
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  if (colon >= 0) return name.slice(colon + 1);
  return at < 0 ? "latest" : "";
}

// The grammar of image references that container registries agree on; what does not match has no tag.
const HOST =
  "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[a-fA-F0-9:]+\\])(?::\\d+)?";
const SEGMENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REFERENCE_RE = new RegExp(
  `^(?:${HOST}/)?${SEGMENT}(?:/${SEGMENT})*(?::\\w[\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
);
