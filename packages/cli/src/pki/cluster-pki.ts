// Brings a cluster's certificates on disk to what its names ask for; what is good and fresh stays as it is.
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileWhole } from "../cluster-record.ts";
import type { KeyedCertificate, LeafRequest } from "./authority.ts";
import type { AuthorityName, ClusterNames, KubeconfigSpec } from "./certificate-list.ts";
import { AUTHORITIES, certificatesFor, kubeconfigsFor } from "./certificate-list.ts";
import { certificateOfKubeconfig, renderKubeconfig } from "./kubeconfig.ts";

/** Made where they are missing. */
export interface PkiFolders {
  readonly pki: string;
  readonly kubeconfigs: string;
}

/** A leaf is renewed in the last third of its year. */
const RENEW_BEFORE_MS = 120 * 86_400_000;

type Authorities = ReadonlyMap<AuthorityName, KeyedCertificate>;

/** The number of certificates that were written. `server` is the apiserver's address in the programs' kubeconfigs. */
export async function ensurePki(
  folders: PkiFolders,
  names: ClusterNames,
  server: string,
  nowMs: number,
): Promise<number> {
  const authorities = await ensureAuthorities(folders.pki, nowMs);
  const leaves = await Promise.all(
    certificatesFor(names).map(async (spec) => {
      const path = join(folders.pki, spec.file);
      const authority = authorities.get(spec.authority)!;
      if (isGood(readText(`${path}.crt`), existsSync(`${path}.key`), authority, spec, nowMs)) return 0;
      const { signLeaf } = await import("./authority.ts");
      writePair(path, await signLeaf(authority, spec, nowMs));
      return 1;
    }),
  );
  const configs = await Promise.all(
    kubeconfigsFor(names).map((spec) => ensureKubeconfig(folders, spec, authorities.get("ca")!, server, nowMs)),
  );
  await ensureSigningKeys(folders.pki);
  return [...leaves, ...configs].reduce<number>((sum, made) => sum + made, 0);
}

/** Writes a copy of a kubeconfig that reaches the apiserver at another address. */
export function readdressKubeconfig(from: string, to: string, oldServer: string, server: string): void {
  writeFileWhole(to, readFileSync(from, "utf8").replace(oldServer, server), 0o600);
}

async function ensureAuthorities(pki: string, nowMs: number): Promise<Authorities> {
  const entries = Object.entries(AUTHORITIES) as [AuthorityName, string][];
  const pairs = entries.map(async ([file, commonName]) => {
    const path = join(pki, file);
    const cert = readText(`${path}.crt`);
    const key = readText(`${path}.key`);
    if (cert && key) return [file, { cert, key }] as const;
    const { makeAuthority } = await import("./authority.ts");
    const made = await makeAuthority(commonName, nowMs);
    writePair(path, made);
    return [file, made] as const;
  });
  return new Map(await Promise.all(pairs));
}

async function ensureKubeconfig(
  folders: PkiFolders,
  spec: KubeconfigSpec,
  authority: KeyedCertificate,
  server: string,
  nowMs: number,
): Promise<number> {
  const path = join(folders.kubeconfigs, `${spec.file}.conf`);
  const text = readText(path);
  const wanted: LeafRequest = { commonName: spec.user, organizations: spec.organizations ?? [], usages: ["client"] };
  const cert = text?.includes(`server: ${server}\n`) ? certificateOfKubeconfig(text) : undefined;
  if (isGood(cert, true, authority, wanted, nowMs)) return 0;
  const { signLeaf } = await import("./authority.ts");
  const pair = await signLeaf(authority, wanted, nowMs);
  writeFileWhole(path, renderKubeconfig({ server, ca: authority.cert, user: spec.user, ...pair }), 0o600);
  return 1;
}

/** Never renewed: every token that was signed with them would be void. */
async function ensureSigningKeys(pki: string): Promise<void> {
  if (existsSync(join(pki, "sa.key")) && existsSync(join(pki, "sa.pub"))) return;
  const { makeSigningKeys } = await import("./authority.ts");
  const keys = await makeSigningKeys();
  writeFileWhole(join(pki, "sa.pub"), keys.publicKey, 0o644);
  writeFileWhole(join(pki, "sa.key"), keys.privateKey, 0o600);
}

// The key goes first: a certificate without its key would pass for good after a crash between the two.
function writePair(path: string, pair: KeyedCertificate): void {
  writeFileWhole(`${path}.key`, pair.key, 0o600);
  writeFileWhole(`${path}.crt`, pair.cert, 0o644);
}

/** Signed by this authority, long enough to live, and made for exactly this name and these addresses. */
function isGood(
  pem: string | undefined,
  hasKey: boolean,
  authority: KeyedCertificate,
  wanted: LeafRequest,
  nowMs: number,
): boolean {
  if (!pem || !hasKey) return false;
  const cert = new X509Certificate(pem);
  return (
    cert.verify(new X509Certificate(authority.cert).publicKey) &&
    Date.parse(cert.validTo) - nowMs > RENEW_BEFORE_MS &&
    cert.subject ===
      [...(wanted.organizations ?? []).map((name) => `O=${name}`), `CN=${wanted.commonName}`].join("\n") &&
    sameNames(cert.subjectAltName, wanted)
  );
}

function sameNames(found: string | undefined, wanted: LeafRequest): boolean {
  const have = new Set((found ?? "").split(", ").filter(Boolean));
  const want = new Set([
    ...(wanted.dnsNames ?? []).map((name) => `DNS:${name}`),
    ...(wanted.addresses ?? []).map((address) => `IP Address:${address}`),
  ]);
  return want.isSubsetOf(have) && have.size === want.size;
}

function readText(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
