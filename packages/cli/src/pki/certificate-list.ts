// Every certificate of a cluster: who signs it, what it says, where it lies. Names follow kubeadm's.
import type { LeafRequest } from "./authority.ts";

/** A server's certificate, or a client's that lies in a file. */
export interface CertificateSpec extends LeafRequest {
  /** File below the pki folder without `.crt` or `.key`. */
  readonly file: string;
  readonly authority: AuthorityName;
}

/** A client certificate that lives inside a kubeconfig. */
export interface KubeconfigSpec {
  /** File below the kubeconfigs folder without `.conf`. */
  readonly file: string;
  readonly user: string;
  readonly organizations?: readonly string[];
}

/**
 * File → common name. Three, since who etcd trusts and who may speak for users through the front proxy is not who the
 * API trusts.
 */
export const AUTHORITIES = {
  ca: "kubernetes",
  "etcd/ca": "etcd-ca",
  "front-proxy-ca": "front-proxy-ca",
} as const;

/** The authority's file below the pki folder, without an ending. */
export type AuthorityName = keyof typeof AUTHORITIES;

/** The addresses and names that the certificates speak of. */
export interface ClusterNames {
  /** All addresses and DNS names under which clients reach the apiserver and etcd. */
  readonly controlPlaneAddresses: readonly string[];
  readonly controlPlaneNames: readonly string[];
  readonly apiService: string;
  readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

const LOOPBACK = ["127.0.0.1"];

/** All but those inside kubeconfigs. */
export function certificatesFor(names: ClusterNames): CertificateSpec[] {
  const local = {
    dnsNames: ["localhost", ...names.controlPlaneNames],
    addresses: [...LOOPBACK, ...names.controlPlaneAddresses],
  };
  return [
    apiserverCertificate(names),
    client("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client"),
    client("apiserver-etcd-client", "etcd/ca", "kube-apiserver-etcd-client"),
    client("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
    // etcd asks itself over its own TLS port, hence both usages.
    { file: "etcd/server", authority: "etcd/ca", commonName: "etcd", usages: ["server", "client"], ...local },
    { file: "etcd/peer", authority: "etcd/ca", commonName: "etcd", usages: ["server", "client"], ...local },
    client("etcd/healthcheck-client", "etcd/ca", "kube-etcd-healthcheck-client"),
    { file: "scheduler", authority: "ca", commonName: "kube-scheduler", usages: ["server"], ...local },
    {
      file: "controller-manager",
      authority: "ca",
      commonName: "kube-controller-manager",
      usages: ["server"],
      ...local,
    },
    ...names.nodes.map(kubeletCertificate),
  ];
}

/** One client certificate per program and the administrator's. */
export function kubeconfigsFor(names: ClusterNames): KubeconfigSpec[] {
  return [
    // The group system:masters may do everything, past RBAC: this file is the cluster's key.
    { file: "admin", user: "kubernetes-admin", organizations: ["system:masters"] },
    { file: "scheduler", user: "system:kube-scheduler" },
    { file: "controller-manager", user: "system:kube-controller-manager" },
    { file: "kube-proxy", user: "system:kube-proxy" },
    { file: "node-network", user: "system:node-network" },
    ...names.nodes.map(({ name }) => ({
      file: `kubelet-${name}`,
      user: `system:node:${name}`,
      organizations: ["system:nodes"],
    })),
  ];
}

function apiserverCertificate(names: ClusterNames): CertificateSpec {
  const service = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ];
  return {
    file: "apiserver",
    authority: "ca",
    commonName: "kube-apiserver",
    usages: ["server"],
    dnsNames: [...service, "localhost", ...names.controlPlaneNames],
    addresses: [names.apiService, ...LOOPBACK, ...names.controlPlaneAddresses],
  };
}

function kubeletCertificate(node: ClusterNames["nodes"][number]): CertificateSpec {
  return {
    file: `kubelet-${node.name}`,
    authority: "ca",
    commonName: `system:node:${node.name}`,
    organizations: ["system:nodes"],
    usages: ["server"],
    dnsNames: [node.name, "localhost"],
    addresses: [...LOOPBACK, ...node.addresses],
  };
}

function client(file: string, authority: AuthorityName, commonName: string): CertificateSpec {
  return { file, authority, commonName, usages: ["client"] };
}
