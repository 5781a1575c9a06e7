// `skiff certs`: makes the certificates and kubeconfigs of a cluster whose programs are started by systemd.
import { join, resolve } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import { ensurePki } from "../pki/cluster-pki.ts";
import { UserError } from "../user-error.ts";

/** From the command line. */
export interface CertificatesRequest {
  readonly folder: string;
  /** The apiserver's and etcd's; the first is the one that programs use. */
  readonly controlPlane: readonly string[];
  /** Each `NAME=ADDRESS`. */
  readonly nodes: readonly string[];
  /** The ClusterIP of the Service `kubernetes`: the first of the Services' range. */
  readonly apiService: string;
}

/** The exit code. What is good already is kept; the folder is then carried to the machines by hand. */
export async function writeCertificates(request: CertificatesRequest, { clock }: { clock: Clock }): Promise<number> {
  const folder = resolve(request.folder);
  const names = {
    controlPlaneAddresses: request.controlPlane,
    controlPlaneNames: [],
    apiService: request.apiService,
    nodes: request.nodes.map(parseNode),
  };
  const folders = { pki: join(folder, "pki"), kubeconfigs: join(folder, "kubeconfigs") };
  const made = await ensurePki(folders, names, `https://${request.controlPlane[0]}:6443`, clock.now());
  process.stdout.write(`${made > 0 ? `${made} certificates made` : "all certificates are fresh"} in ${folder}\n`);
  return 0;
}

/** Throws UserError for any other form. */
function parseNode(text: string): { name: string; addresses: string[] } {
  const [name, address, ...rest] = text.split("=");
  if (!name || !address || rest.length > 0) throw new UserError(`--node "${text}" is not of the form NAME=ADDRESS`);
  return { name, addresses: [address] };
}
