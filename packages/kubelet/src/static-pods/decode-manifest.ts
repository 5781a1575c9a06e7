// Turns the text of a manifest into the static pods of this node, with upstream's names, UIDs and annotations.
import { createHash } from "node:crypto";
import { decode } from "@skiff/api/decode.ts";
import { stableStringify } from "@skiff/api/hash.ts";
import { applyAppArmorAnnotations } from "@skiff/api/kinds/pod/apparmor-annotations.ts";
import { podKind } from "@skiff/api/kinds/pod/pod.ts";
import type { Pod } from "@skiff/api/types.ts";
import { parse } from "yaml";
import { HASH_ANNOTATION, SOURCE_ANNOTATION } from "./annotations.ts";

/** Where the text comes from. */
export interface ManifestOrigin {
  readonly source: "file" | "http";
  /** The path or the address: part of the UID, so that two equal files are two pods. */
  readonly place: string;
  readonly nodeName: string;
}

/** Throws an Error that says what is wrong with the manifest. */
export function decodeManifest(text: string, origin: ManifestOrigin): Pod[] {
  const value: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : parse(text, { maxAliasCount: 100 });
  if (!isObject(value)) throw new Error("the manifest holds no object");
  const { apiVersion, kind, items } = value;
  if (apiVersion === "v1" && (kind === "PodList" || kind === "List")) {
    if (origin.source === "file") throw new Error("a file holds one Pod");
    return (Array.isArray(items) ? items : []).map((item) => decodePod(item, origin));
  }
  if (apiVersion !== "v1" || kind !== "Pod")
    throw new Error(`a Pod of version v1 is wanted, not ${apiVersion} ${kind}`);
  return [decodePod(value, origin)];
}

function decodePod(value: unknown, origin: ManifestOrigin): Pod {
  const { object } = decode<Pod>("Pod", value, { strict: false });
  const pod = ownedByNode(object, origin);
  podKind.applyDefaults(pod);
  // The API does so for the pods that come from it.
  applyAppArmorAnnotations(pod);
  const errors = podKind.validate(pod);
  if (errors.length > 0) {
    throw new Error(
      `invalid pod: ${errors.map(({ field, detail, type }) => `${field}: ${detail || type}`).join(", ")}`,
    );
  }
  // A static pod belongs to the node alone: it cannot rest on objects that the API may not have.
  if (pod.spec.serviceAccountName) throw new Error("static pods cannot use service accounts");
  return pod;
}

function ownedByNode(object: Pod, { source, place, nodeName }: ManifestOrigin): Pod {
  const { metadata, spec } = object;
  const uid = metadata.uid || hashOf(object, place, nodeName);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      // The same manifest may lie on every node, and their mirrors share one namespace.
      name: `${metadata.name}-${nodeName.toLowerCase()}`,
      namespace: metadata.namespace || "default",
      uid,
      annotations: { ...metadata.annotations, [HASH_ANNOTATION]: uid, [SOURCE_ANNOTATION]: source },
    },
    spec: {
      ...spec,
      nodeName,
      // Nobody could bring it back, so no taint drives it away.
      tolerations: [...(spec.tolerations ?? []), { operator: "Exists", effect: "NoExecute" }],
    },
    status: { phase: "Pending" },
  };
}

function hashOf(object: Pod, place: string, nodeName: string): string {
  return createHash("md5")
    .update(`host:${nodeName}\nplace:${place}\n${stableStringify(object)}`)
    .digest("hex");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
