// Image references, as far as defaults depend on them.

/** The tag of an image reference; "latest" where neither tag nor digest is given, and "" for a bare digest. */
export function parseImageTag(image: string): string {
  const at = image.indexOf("@");
  const name = at < 0 ? image : image.slice(0, at);
  // A colon before the last slash belongs to the registry's port.
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  if (colon >= 0) return name.slice(colon + 1);
  return at < 0 ? "latest" : "";
}
