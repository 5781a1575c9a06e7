// Kubeconfig files, good and bad.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadKubeconfig } from "./config.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "skiff-kubeconfig-"));
  await writeFile(join(folder, "ca.crt"), "CA");
  await writeFile(join(folder, "me.crt"), "CERT");
});
after(() => rm(folder, { recursive: true }));

async function load(text: string, context?: string) {
  const path = join(folder, "config");
  await writeFile(path, text);
  return loadKubeconfig(path, context);
}

const YAML = `
apiVersion: v1
kind: Config
current-context: main
contexts:
- {name: main, context: {cluster: c, user: u}}
- {name: pod, context: {cluster: c, user: p}}
- {name: sso, context: {cluster: c, user: s}}
clusters:
- name: c
  cluster: {server: "https://127.0.0.1:6443", certificate-authority: ca.crt, tls-server-name: kubernetes}
users:
- name: u
  user: {client-certificate: me.crt, client-key-data: ${Buffer.from("KEY").toString("base64")}}
- {name: p, user: {tokenFile: token}}
- {name: s, user: {exec: {command: login}}}
`;

test("loadKubeconfig reads files relative to itself, data in base64, and the context asked for", async () => {
  const server = { server: "https://127.0.0.1:6443", ca: "CA", tlsServerName: "kubernetes" };
  assert.deepEqual(await load(YAML), { ...server, cert: "CERT", key: "KEY" });
  assert.deepEqual(await load(YAML, "pod"), { ...server, tokenFile: join(folder, "token") });
});

test("loadKubeconfig says what is wrong", async () => {
  await assert.rejects(load(YAML, "nowhere"), /config: context "nowhere" does not exist/);
  await assert.rejects(load(YAML, "sso"), /"exec" are not supported/);
  await assert.rejects(load("{}"), /no context is chosen/);
  await assert.rejects(loadKubeconfig(join(folder, "absent")), /absent: ENOENT/);
});
