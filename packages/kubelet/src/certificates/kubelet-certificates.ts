// The kubelet's two identities: as a client of the apiserver and as a server, from files, by bootstrap, and kept fresh.
import { readFile } from "node:fs/promises";
import { type ClientConfig, loadKubeconfig } from "@skiff/client/config.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { bootstrapIdentity, CLIENT_PREFIX, CLIENT_SIGNER, CLIENT_USAGES, nodeSubject } from "./bootstrap-identity.ts";
import type { RotatorOptions } from "./certificate-rotator.ts";
import { CertificateStore } from "./certificate-store.ts";
import { type KeyPair, keyPairOf } from "./key-pair.ts";
import { coversNames } from "./rotation-deadline.ts";

/** From the flags. A serving certificate from files goes before one that is asked for. */
export interface CertificateOptions {
  readonly kubeconfig: string;
  /** Empty for none. */
  readonly bootstrapKubeconfig: string;
  readonly certDir: string;
  readonly nodeName: string;
  readonly nodeIps: readonly string[];
  readonly rotateClient: boolean;
  readonly bootstrapServing: boolean;
  /** Files; both empty for none. */
  readonly servingCert: string;
  readonly servingKey: string;
  readonly random?: () => number;
}

const SERVING_PREFIX = "kubelet-server";
/**
 * Requests for it are approved by hand or by an operator's controller: Kubernetes has no approver for them, as a node
 * could claim any address.
 */
const SERVING_SIGNER = "kubernetes.io/kubelet-serving";
const SERVING_USAGES = ["digital signature", "server auth"];

/**
 * Opened once at the start: finds, bootstraps or makes both certificates. `run` then keeps those fresh that the API
 * signs.
 */
export class KubeletCertificates {
  /** Where the apiserver is, and as whom to speak to it. */
  readonly server: ClientConfig;
  /** Absent until the first serving certificate is approved: handshakes fail until then, as upstream. */
  readonly serving: Pick<KeyPair, "cert" | "key"> | undefined;
  private readonly rotations: readonly Rotation[];
  /** Whether the first client certificate has yet to be asked for. */
  private readonly isNew: boolean;
  private readonly options: CertificateOptions;
  private readonly context: ProgramContext;

  private constructor(
    options: CertificateOptions,
    context: ProgramContext,
    found: Pick<KubeletCertificates, "server" | "serving"> & { isNew: boolean; rotations: readonly Rotation[] },
  ) {
    this.options = options;
    this.context = context;
    this.server = found.server;
    this.serving = found.serving;
    this.isNew = found.isNew;
    this.rotations = found.rotations;
  }

  /**
   * A machine without a client certificate waits for its first one, unless it will renew it: then, as upstream, `run` asks,
   * and the node begins as nobody, with its static pods.
   */
  static async open(options: CertificateOptions, context: ProgramContext): Promise<KubeletCertificates> {
    const { bootstrapKubeconfig, rotateClient } = options;
    const isNew = bootstrapKubeconfig !== "" && !(await hasValidKubeconfig(options, context));
    if (isNew && !rotateClient) await bootstrapIdentity(options, context);
    const waits = isNew && rotateClient;
    const loaded = waits
      ? nobodyAt(await loadKubeconfig(bootstrapKubeconfig))
      : await loadKubeconfig(options.kubeconfig);
    const client = rotateClient && !waits ? await clientRotation(options, context, loaded) : undefined;
    const { initial } = client?.options ?? {};
    const server = initial ? { ...loaded, cert: initial.cert, key: initial.key } : loaded;
    const { serving, rotation } = await servingIdentity(options, context);
    const rotations = [client, rotation].filter((one) => one !== undefined);
    return new KubeletCertificates(options, context, { server, serving, isNew: waits, rotations });
  }

  /** Keeps them fresh until the signal aborts. Throws when only a new start can help. */
  async run(client: RestClient, useServing: (pair: KeyPair) => void, signal: AbortSignal): Promise<void> {
    const first = this.isNew ? [await this.becomeNode(client, signal)] : [];
    const rotations = [...first, ...this.rotations];
    if (rotations.length === 0) return;
    const { CertificateRotator } = await import("./certificate-rotator.ts");
    const { clock, log, metrics } = this.context;
    const random = this.options.random ?? Math.random;
    const rotators = rotations.map(({ options, store }) => {
      const use = (pair: KeyPair) =>
        options.name === "client" ? client.useCertificate(pair.cert, pair.key) : useServing(pair);
      return new CertificateRotator(options, { client, store, clock, log, metrics, random, use });
    });
    await Promise.all(rotators.map((rotator) => rotator.run(signal)));
  }

  private async becomeNode(client: RestClient, signal: AbortSignal): Promise<Rotation> {
    const { options, context } = this;
    await bootstrapIdentity(options, { ...context, signal });
    const loaded = await loadKubeconfig(options.kubeconfig);
    const rotation = await clientRotation(options, context, loaded);
    const { initial } = rotation.options;
    if (initial) client.useCertificate(initial.cert, initial.key);
    return rotation;
  }
}

/** The bootstrap's own proof is for the request alone: with it the machine is no node. */
function nobodyAt({ token: _, tokenFile: __, cert: ___, key: ____, ...server }: ClientConfig): ClientConfig {
  return server;
}

/** From files, signed by itself, or, perhaps later, by the cluster. */
async function servingIdentity(
  options: CertificateOptions,
  context: ProgramContext,
): Promise<{ readonly serving: Pick<KeyPair, "cert" | "key"> | undefined; readonly rotation?: Rotation }> {
  if (options.servingCert) {
    const [cert, key] = [await readFile(options.servingCert, "utf8"), await readFile(options.servingKey, "utf8")];
    return { serving: { cert, key } };
  }
  if (!options.bootstrapServing) {
    const { selfSignedServing } = await import("./self-signed.ts");
    return { serving: await selfSignedServing(options.certDir, options.nodeName, context.clock.now()) };
  }
  const rotation = await servingRotation(options, context);
  return { serving: rotation.options.initial, rotation };
}

interface Rotation {
  readonly options: RotatorOptions;
  readonly store: CertificateStore;
}

/** Upstream's test: it can be read, and no certificate in it has ended. */
async function hasValidKubeconfig(
  { kubeconfig }: CertificateOptions,
  { clock, log }: ProgramContext,
): Promise<boolean> {
  try {
    const { cert, key } = await loadKubeconfig(kubeconfig);
    if (!cert || !key) return true;
    return keyPairOf(cert, key).notAfterMs > clock.now();
  } catch (error) {
    const isMissing = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (!isMissing) log.warn({ err: error }, "kubeconfig cannot be used, bootstrapping");
    return false;
  }
}

async function clientRotation(
  options: CertificateOptions,
  context: ProgramContext,
  loaded: ClientConfig,
): Promise<Rotation> {
  const store = new CertificateStore(options.certDir, CLIENT_PREFIX);
  const subject = nodeSubject(options.nodeName);
  const stored = await storedPair(store, context);
  // A machine that was given another node's name must not go on as the old node.
  const isOurs = stored?.leaf.subject.split("\n").includes(`CN=${subject.commonName}`);
  const given = loaded.cert && loaded.key ? keyPairOf(loaded.cert, loaded.key) : undefined;
  const common = { name: "client", signerName: CLIENT_SIGNER, usages: CLIENT_USAGES, subject: () => subject } as const;
  if (stored && isOurs) return { store, options: { ...common, initial: stored } };
  return { store, options: { ...common, initial: given, replaceInitial: true } };
}

async function servingRotation(options: CertificateOptions, context: ProgramContext): Promise<Rotation> {
  const store = new CertificateStore(options.certDir, SERVING_PREFIX);
  const names = { dnsNames: [options.nodeName], addresses: options.nodeIps };
  const stored = await storedPair(store, context);
  const initial = stored && coversNames(stored, names) ? stored : undefined;
  const subject = { ...nodeSubject(options.nodeName), ...names };
  const common = { name: "server", signerName: SERVING_SIGNER, usages: SERVING_USAGES } as const;
  return { store, options: { ...common, subject: () => subject, initial } };
}

/** What has ended is as good as none. */
async function storedPair(store: CertificateStore, { clock, log }: ProgramContext): Promise<KeyPair | undefined> {
  try {
    const pair = await store.current();
    return pair && pair.notAfterMs > clock.now() ? pair : undefined;
  } catch (error) {
    log.warn({ err: error }, "stored certificate cannot be used");
    return undefined;
  }
}
