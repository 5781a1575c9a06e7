// Writes kubeconfig files with everything inside them, so that one file is all a client needs.

/** One user at one cluster. */
export interface KubeconfigContent {
  readonly server: string;
  readonly user: string;
  /** PEM texts. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** YAML, with one context that is also the current one. */
export function renderKubeconfig({ server, user, ca, cert, key }: KubeconfigContent): string {
  return `apiVersion: v1
kind: Config
clusters:
- name: skiff
  cluster:
    server: ${server}
    certificate-authority-data: ${base64(ca)}
users:
- name: ${user}
  user:
    client-certificate-data: ${base64(cert)}
    client-key-data: ${base64(key)}
contexts:
- name: ${user}@skiff
  context:
    cluster: skiff
    user: ${user}
current-context: ${user}@skiff
preferences: {}
`;
}

/** The client certificate inside a kubeconfig of ours, as PEM. */
export function certificateOfKubeconfig(text: string): string | undefined {
  return decodedField(text, "client-certificate-data");
}

/** What a TLS client needs from a kubeconfig of ours. */
export function credentialsOfKubeconfig(text: string): { server: string; ca: string; cert: string; key: string } {
  const server = /^ *server: (\S+)$/m.exec(text)?.[1];
  const ca = decodedField(text, "certificate-authority-data");
  const cert = decodedField(text, "client-certificate-data");
  const key = decodedField(text, "client-key-data");
  if (!server || !ca || !cert || !key) throw new Error("the kubeconfig lacks a server, a CA or a client certificate");
  return { server, ca, cert, key };
}

function decodedField(text: string, field: string): string | undefined {
  const found = new RegExp(`^ *${field}: (\\S+)$`, "m").exec(text)?.[1];
  return found === undefined ? undefined : Buffer.from(found, "base64").toString("utf8");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
