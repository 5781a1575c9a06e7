// /statusz and /flagz: what runs here, since when and with which flags, for people and as config.k8s.io objects.
import { notAcceptable } from "@skiff/api/errors.ts";
import { type Clock, formatTime } from "@skiff/component-base/clock.ts";
import { GIT_VERSION, MAJOR, MINOR } from "@skiff/component-base/version.ts";
import type { Answer, PathHandler, RequestContext } from "./endpoint.ts";
import { parseAccept } from "./negotiate.ts";

const COMPONENT = "apiserver";
const GROUP = "config.k8s.io";
const WARNING =
  "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.";

/** `paths` are those that the server lists at `/`. */
export function statuszHandler(paths: () => readonly string[], clock: Clock): PathHandler {
  const startMs = clock.now() - process.uptime() * 1000;
  const folders = () => debuggingFolders(paths());
  const status = () => ({
    startTime: formatTime(startMs),
    uptimeSeconds: Math.floor(process.uptime()),
    goVersion: `node ${process.version}`,
    binaryVersion: GIT_VERSION.replace(/^v/, ""),
    emulationVersion: `${MAJOR}.${MINOR}`,
    paths: folders(),
  });
  const text = () => {
    const { startTime, uptimeSeconds: up, goVersion, binaryVersion, emulationVersion } = status();
    const two = (value: number) => String(value).padStart(2, "0");
    const upText = `${Math.floor(up / 3600)} hr ${two(Math.floor(up / 60) % 60)} min ${two(up % 60)} sec`;
    const lines = [`Started: ${startTime}`, `Up: ${upText}`, `Go version: ${goVersion}`];
    const versions = [`Binary version: ${binaryVersion}`, `Emulation version: ${emulationVersion}`];
    return [...lines, ...versions, `Paths: ${folders().join(" ")}`].join("\n");
  };
  return zPage("statusz", "Statusz", status, text);
}

/** `flags` by name, as texts. */
export function flagzHandler(flags: Readonly<Record<string, string>>): PathHandler {
  const sorted = Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = () => sorted.map(([name, value]) => `${name}=${value}`).join("\n");
  return zPage("flagz", "Flagz", () => ({ flags: Object.fromEntries(sorted) }), text);
}

function zPage(name: string, kind: string, fields: () => object, text: () => string): PathHandler {
  return {
    path: `/${name}`,
    async handle(context) {
      const version = wantedVersion(context, kind);
      if (!version) return { code: 200, contentType: TEXT, bytes: `\n${COMPONENT} ${name}\n${WARNING}\n\n${text()}\n` };
      if (version === "v1alpha1") {
        context.warn(`This version of the ${name} endpoint is deprecated. Please use a newer version.`);
      }
      const object = { kind, apiVersion: `${GROUP}/${version}`, metadata: { name: COMPONENT }, ...fields() };
      return { code: 200, object } satisfies Answer;
    },
  };
}

const TEXT = "text/plain; charset=utf-8";

/** Undefined for text. An object must be asked for by its kind: plain JSON is 406, as nobody promises its form. */
function wantedVersion({ raw }: RequestContext, kind: string): "v1beta1" | "v1alpha1" | undefined {
  const { accept } = raw.headers;
  if (!accept?.trim()) return undefined;
  for (const { type, parameters } of parseAccept(accept)) {
    const as = parameters.get("as");
    if (as === undefined) {
      if (type === "text/plain" || type === "text/*" || type === "*/*") return undefined;
      continue;
    }
    const version = parameters.get("v");
    const isObject = as === kind && parameters.get("g") === GROUP && OBJECT_TYPES.has(type);
    if (isObject && (version === "v1beta1" || version === "v1alpha1")) return version;
  }
  throw notAcceptable(["application/json", "application/yaml", "text/plain"]);
}

const OBJECT_TYPES: ReadonlySet<string> = new Set(["application/json", "application/yaml"]);
/** What is there to work with, and not to look into. */
const API_FOLDERS: ReadonlySet<string> = new Set(["/apis", "/api", "/openid", "/openapi", "/.well-known"]);

function debuggingFolders(paths: readonly string[]): string[] {
  const folders = paths.map((path) => `/${path.split("/")[1] ?? ""}`);
  return [...new Set(folders)].filter((folder) => folder !== "/" && !API_FOLDERS.has(folder)).sort();
}
