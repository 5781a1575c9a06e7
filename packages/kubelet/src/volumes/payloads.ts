// The files that configMap, secret, downwardAPI and projected volumes consist of.
import type {
  ClusterTrustBundleProjection,
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  PodCertificateProjection,
  Secret,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from "@skiff/api/types.ts";
import type { PodFacts } from "../env/field-ref.ts";
import { containerResourceValue, findContainer, podFieldValue } from "../env/field-ref.ts";
import type { PodObjects } from "../env/make-env.ts";
import type { FileContent } from "./atomic-writer.ts";

/** `facts` are for the downward API, `tokens` for projected tokens. */
export interface PayloadContext {
  readonly pod: Pod;
  readonly facts: PodFacts;
  readonly objects: PodObjects;
  readonly tokens: TokenSource;
  /** Asked for by the first source of root certificates. */
  trustBundles(): Promise<TrustSource>;
  /** Asked for by the first source that is a certificate of the pod's own. */
  certificates(): Promise<CertificateSource>;
  readonly signal: AbortSignal;
}

/** The narrow part of the trust bundles. */
export interface TrustSource {
  anchors(podUid: string, source: ClusterTrustBundleProjection, signal: AbortSignal): Promise<string>;
}

/** The narrow part of the pods' certificates. */
export interface CertificateSource {
  bundle(
    pod: Pod,
    place: { readonly volume: string; readonly index: number },
    source: PodCertificateProjection,
    signal: AbortSignal,
  ): Promise<{ readonly key: string; readonly chain: string }>;
}

/** The narrow part of the token manager. */
export interface TokenSource {
  /** A token of the pod's ServiceAccount, bound to the pod, with most of its life ahead. */
  token(pod: Pod, audience: string, expirationSeconds: number, signal: AbortSignal): Promise<string>;
}

type Files = Map<string, FileContent>;

/** The API's defaults: files that everybody may read, and tokens for an hour. */
const DEFAULT_MODE = 0o644;
const DEFAULT_TOKEN_SECONDS = 3600;

/** The content of `volume`, or undefined where it is not made of API objects. */
export async function volumePayload(volume: Volume, context: PayloadContext): Promise<Files | undefined> {
  if (volume.configMap) {
    const { name = "", items, optional, defaultMode = DEFAULT_MODE } = volume.configMap;
    return configMapFiles(context, name, items, optional, defaultMode);
  }
  if (volume.secret) {
    const { secretName = "", items, optional, defaultMode = DEFAULT_MODE } = volume.secret;
    return secretFiles(context, secretName, items, optional, defaultMode);
  }
  if (volume.downwardAPI) {
    const { items = [], defaultMode = DEFAULT_MODE } = volume.downwardAPI;
    return downwardFiles(context, items, defaultMode);
  }
  if (!volume.projected) return undefined;
  const { sources = [], defaultMode = DEFAULT_MODE } = volume.projected;
  const files: Files = new Map();
  for (const [index, source] of sources.entries()) {
    const place = { volume: volume.name, index };
    // Of two sources that name one path, the later one wins.
    for (const [path, file] of await projectedFiles(context, source, place, defaultMode)) files.set(path, file);
  }
  return files;
}

async function projectedFiles(
  context: PayloadContext,
  source: VolumeProjection,
  place: { readonly volume: string; readonly index: number },
  mode: number,
): Promise<Files> {
  if (source.configMap) {
    const { name = "", items, optional } = source.configMap;
    return configMapFiles(context, name, items, optional, mode);
  }
  if (source.secret) {
    const { name = "", items, optional } = source.secret;
    return secretFiles(context, name, items, optional, mode);
  }
  if (source.downwardAPI) return downwardFiles(context, source.downwardAPI.items ?? [], mode);
  if (source.serviceAccountToken) return tokenFile(context, source.serviceAccountToken, mode);
  if (source.clusterTrustBundle) return trustFile(context, source.clusterTrustBundle, mode);
  if (!source.podCertificate) return new Map();
  const { pod, signal } = context;
  const bundle = await (await context.certificates()).bundle(pod, place, source.podCertificate, signal);
  return certificateFiles(pod, source.podCertificate, bundle, mode);
}

/** The key before the certificates, as servers read them from one file. */
function certificateFiles(
  pod: Pod,
  { credentialBundlePath, keyPath, certificateChainPath }: PodCertificateProjection,
  { key, chain }: { readonly key: string; readonly chain: string },
  mode: number,
): Files {
  const texts = [
    [credentialBundlePath, key + chain],
    [keyPath, key],
    [certificateChainPath, chain],
  ] as const;
  return new Map(texts.flatMap(([path, text]) => (path ? [[path, ownedFile(pod, text, mode)] as const] : [])));
}

async function tokenFile(context: PayloadContext, source: ServiceAccountTokenProjection, mode: number): Promise<Files> {
  const { pod, tokens, signal } = context;
  const seconds = source.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
  const token = await tokens.token(pod, source.audience ?? "", seconds, signal);
  return new Map([[source.path, ownedFile(pod, token, mode)]]);
}

async function trustFile(context: PayloadContext, source: ClusterTrustBundleProjection, mode: number): Promise<Files> {
  const { pod, signal } = context;
  const text = await (await context.trustBundles()).anchors(pod.metadata.uid ?? "", source, signal);
  return new Map([[source.path, ownedFile(pod, text, mode)]]);
}

/** As upstream: what is given to one user or group is closed to others. */
function ownedFile(pod: Pod, text: string, mode: number): FileContent {
  const uid = singleUser(pod);
  const closed = uid !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
  return { data: Buffer.from(text), mode: closed ? 0o600 : mode, uid };
}

/** The user that every container of the pod runs as, if the spec says so. */
function singleUser(pod: Pod): number | undefined {
  const spec = pod.spec;
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const users = containers.map((c) => c.securityContext?.runAsUser ?? spec?.securityContext?.runAsUser);
  const [first] = users;
  return users.every((user) => user === first) ? first : undefined;
}

async function configMapFiles(
  context: PayloadContext,
  name: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number,
): Promise<Files> {
  const namespace = context.pod.metadata.namespace ?? "";
  const object = await context.objects.configMap(namespace, name, context.signal);
  if (!object && !optional) throw new Error(`configmap "${name}" not found`);
  return pick(configMapData(object), items, optional, mode, "config");
}

function configMapData(object: Readonly<ConfigMap> | undefined): Map<string, Buffer> {
  const data = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(object?.data ?? {})) data.set(key, Buffer.from(text));
  for (const [key, base64] of Object.entries(object?.binaryData ?? {})) data.set(key, Buffer.from(base64, "base64"));
  return data;
}

async function secretFiles(
  context: PayloadContext,
  name: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number,
): Promise<Files> {
  const namespace = context.pod.metadata.namespace ?? "";
  const object: Readonly<Secret> | undefined = await context.objects.secret(namespace, name, context.signal);
  if (!object && !optional) throw new Error(`secret "${name}" not found`);
  const entries = Object.entries(object?.data ?? {});
  const data = new Map(entries.map(([key, base64]) => [key, Buffer.from(base64, "base64")] as const));
  return pick(data, items, optional, mode, "secret");
}

/** Keys as files: all under their own names, or the chosen ones at their paths. */
function pick(
  data: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number,
  what: "config" | "secret",
): Files {
  // Without `items` every key is a file; with them, only those that are named.
  if (!items || items.length === 0) return new Map([...data].map(([key, bytes]) => [key, { data: bytes, mode }]));
  const files: Files = new Map();
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes) files.set(item.path, { data: bytes, mode: item.mode ?? mode });
    else if (!optional) throw new Error(`references non-existent ${what} key: ${item.key}`);
  }
  return files;
}

function downwardFiles(context: PayloadContext, items: readonly DownwardAPIVolumeFile[], mode: number): Files {
  const { pod, facts } = context;
  const files: Files = new Map();
  for (const item of items) {
    const data = Buffer.from(downwardValue(pod, item, facts));
    files.set(item.path, { data, mode: item.mode ?? mode });
  }
  return files;
}

function downwardValue(pod: Pod, item: DownwardAPIVolumeFile, facts: PodFacts): string {
  if (item.fieldRef) return podFieldValue(pod, item.fieldRef, facts);
  const ref = item.resourceFieldRef;
  const container = findContainer(pod, ref?.containerName ?? "");
  if (!ref || !container) throw new Error(`downwardAPI item ${item.path} names no field of a container of the pod`);
  return containerResourceValue(pod, container, ref, facts);
}
