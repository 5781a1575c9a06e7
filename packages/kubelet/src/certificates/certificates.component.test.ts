// A node joins with a token, becomes itself, and renews both of its certificates: a real apiserver and the real controllers.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { certificateSigningRequests, secrets } from "@skiff/api/resource-ref.ts";
import type { CertificateSigningRequest, SelfSubjectReview } from "@skiff/api/types.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { ChildProgram } from "@skiff/testkit/child-program.ts";
import { freePorts } from "@skiff/testkit/free-port.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import { type KubeletServerDeps, serveKubelet } from "../server/index.ts";
import { type CertificateOptions, KubeletCertificates } from "./kubelet-certificates.ts";

const MANAGER = fileURLToPath(new URL("../../../controller-manager/src/main.ts", import.meta.url));
const NAME = "n1";
const stack = new AsyncDisposableStack();
const stop = new AbortController();
const log = silentLogger();
let server: RealApiServer;
let admin: RestClient;
let options: CertificateOptions;

before(async () => {
  const etcd = stack.use(await RealEtcd.start());
  server = stack.use(await RealApiServer.start(etcd, { flags: ["--enable-bootstrap-token-auth"] }));
  const config = await loadKubeconfig(server.kubeconfig);
  admin = stack.use(new RestClient(config, { userAgent: "test" }, { clock: realClock, log }));
  const signing = await signingFlags();
  const ports = ["--port=0", "--secure-port=0", "--leader-elect=false", "--controllers=csrapproving,csrsigning"];
  const manager = new ChildProgram(process.execPath, [
    MANAGER,
    `--kubeconfig=${server.kubeconfig}`,
    ...ports,
    ...signing,
  ]);
  stack.defer(() => manager.stop("SIGKILL"));
  const { folder } = server.pki;
  options = {
    kubeconfig: join(folder, "node.conf"),
    bootstrapKubeconfig: join(folder, "bootstrap.conf"),
    certDir: join(folder, "kubelet-pki"),
    nodeName: NAME,
    nodeIps: ["127.0.0.1"],
    rotateClient: true,
    bootstrapServing: true,
    servingCert: "",
    servingKey: "",
    random: () => 0,
  };
  await writeFile(options.bootstrapKubeconfig, JSON.stringify(bootstrapKubeconfig("abcdef.0123456789abcdef")));
});

after(async () => {
  stop.abort();
  await stack.disposeAsync();
});

async function signingFlags(): Promise<string[]> {
  const file = (name: string) => join(server.pki.folder, name);
  await writeFile(file("ca.key"), server.pki.ca.key, { mode: 0o600 });
  return [`--cluster-signing-cert-file=${file("ca.crt")}`, `--cluster-signing-key-file=${file("ca.key")}`];
}

function bootstrapKubeconfig(token: string): object {
  const cluster = { server: server.url, "certificate-authority": "ca.crt" };
  return {
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
}

const encode = (text: string) => Buffer.from(text).toString("base64");

async function addToken(): Promise<void> {
  const data = {
    "token-id": encode("abcdef"),
    "token-secret": encode("0123456789abcdef"),
    "usage-bootstrap-authentication": encode("true"),
    "auth-extra-groups": encode("system:bootstrappers:test"),
  };
  const metadata = { name: "bootstrap-token-abcdef", namespace: "kube-system" };
  const secret = { metadata, type: "bootstrap.kubernetes.io/token", data };
  await admin.of(secrets).create("kube-system", secret, { signal: stop.signal });
}

async function bind(name: string, role: string, group: string): Promise<void> {
  const body = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group }],
  };
  const path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
  await admin.request({ method: "POST", path, body, signal: stop.signal });
}

/** As kubectl certificate approve or deny does. */
async function decide(csr: CertificateSigningRequest, type: "Approved" | "Denied"): Promise<void> {
  const conditions = [{ type, status: "True", reason: "ByTest", message: "by hand" }];
  const path = `/apis/certificates.k8s.io/v1/certificatesigningrequests/${csr.metadata.name}/approval`;
  await admin.request({ method: "PUT", path, body: { ...csr, status: { conditions } }, signal: stop.signal });
}

const requests = async () => (await admin.of(certificateSigningRequests).list({}, { signal: stop.signal })).items;

async function whoAmI(client: RestClient): Promise<SelfSubjectReview["status"]> {
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  return ((await client.request({ method: "POST", path, body, signal: stop.signal })).body as SelfSubjectReview).status;
}

function context(signal = stop.signal, clock = realClock) {
  return { clock, log, metrics: new MetricsRegistry(), signal };
}

/** The certificate that a server shows; undefined where the handshake fails. */
function shownBy(port: number): Promise<X509Certificate | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw));
      socket.destroy();
    });
    socket.on("error", () => resolve(undefined));
  });
}

test("a token that the cluster does not know is refused, and the next try begins with another key", async () => {
  const opened = KubeletCertificates.open({ ...options, rotateClient: false }, context());
  await assert.rejects(opened, /cannot create certificate signing request: Unauthorized/);
  await assert.rejects(readFile(join(options.certDir, "kubelet-client.key.tmp")), /ENOENT/);
});

test("a denied request ends the bootstrap with who denied it and why", async () => {
  await addToken();
  await bind("bootstrap", "system:node-bootstrapper", "system:bootstrappers");
  const opening = assert.rejects(KubeletCertificates.open({ ...options, rotateClient: false }, context()), {
    message: "certificate signing request is denied, reason: ByTest, message: by hand",
  });
  const [csr] = await waitFor("the request", async () => {
    const found = await requests();
    return found.length > 0 && found;
  });
  assert.ok(csr);
  assert.match(csr.metadata.name, /^node-csr-/);
  assert.deepEqual(
    [csr.spec.username, csr.spec.groups?.includes("system:bootstrappers:test")],
    ["system:bootstrap:abcdef", true],
  );
  await decide(csr, "Denied");
  await opening;
});

test("with a token and the right to it, a machine becomes its node, is known again after a restart, and renews itself", async (t) => {
  await bind("approve", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", "system:bootstrappers");
  // It renews its certificate, so it begins without one: static pods need none.
  const beginning = await KubeletCertificates.open({ ...options, bootstrapServing: false }, context());
  assert.deepEqual([beginning.server.cert, beginning.server.token], [undefined, undefined]);
  await using client = new RestClient(beginning.server, { userAgent: "kubelet" }, { clock: realClock, log });
  const begun = new AbortController();
  t.after(() => begun.abort());
  const bootstrapping = beginning.run(client, () => {}, begun.signal);
  const user = await waitFor("the certificate to be used", async () => {
    const info = (await whoAmI(client))?.userInfo;
    return info?.username?.startsWith("system:node:") && info;
  });
  begun.abort();
  await bootstrapping.catch(() => {});
  const opened = await KubeletCertificates.open(options, context());
  assert.equal(user?.username, `system:node:${NAME}`);
  assert.ok(user?.groups?.includes("system:nodes"));
  const current = join(options.certDir, "kubelet-client-current.pem");
  const written = JSON.parse(await readFile(options.kubeconfig, "utf8"));
  assert.deepEqual(written.users[0].user, { "client-certificate": current, "client-key": current });
  const before = (await requests()).length;
  const again = await KubeletCertificates.open(options, context());
  assert.deepEqual([again.server.cert, (await requests()).length], [opened.server.cert, before]);

  await bind("renew", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "system:nodes");
  // A clock that stands at 80 percent of the certificate's life; its waits are real.
  const late = new X509Certificate(opened.server.cert ?? "").validFromDate.getTime() + 0.8 * 365 * 86_400_000;
  const ended = new AbortController();
  t.after(() => ended.abort());
  const aged = context(ended.signal, { ...realClock, now: () => late });
  const old = await KubeletCertificates.open({ ...options, bootstrapServing: false }, aged);
  const running = old.run(client, () => assert.fail("no serving certificate was asked for"), ended.signal);
  const renewed = await waitFor("the new certificate", async () => {
    const pem = await readFile(current, "utf8");
    return new X509Certificate(pem).serialNumber !== new X509Certificate(opened.server.cert ?? "").serialNumber && pem;
  });
  assert.equal(new X509Certificate(renewed).subject, `O=system:nodes\nCN=system:node:${NAME}`);
  const digest = new X509Certificate(renewed).fingerprint256.replaceAll(":", "").toLowerCase();
  await waitFor("the client to show it", async () => {
    const extra = (await whoAmI(client))?.userInfo?.extra;
    return extra?.["authentication.kubernetes.io/credential-id"]?.[0] === `X509SHA256=${digest}`;
  });
  // The clock stands still, so that the pause between two renewals never ends.
  const [own, ...more] = (await requests()).filter(({ metadata }) => metadata.name.startsWith("csr-"));
  assert.equal(more.length, 0);
  assert.match(own?.status?.conditions?.[0]?.message ?? "", /^Auto approving self kubelet client certificate/);
  ended.abort();
  await running;
});

test("the serving certificate waits for a person, then is shown on the same listener, and is not the cluster's if asked wrongly", async (t) => {
  const ended = new AbortController();
  t.after(() => ended.abort());
  const certificates = await KubeletCertificates.open(options, context());
  assert.equal(certificates.serving, undefined);
  await using client = new RestClient(certificates.server, { userAgent: "kubelet" }, { clock: realClock, log });
  // No request gets as far as these.
  const deps = { metrics: new MetricsRegistry(), log, clock: realClock, checks: [] } as Partial<KubeletServerDeps>;
  const serverOptions = { address: "127.0.0.1", port: 0, tls: {}, podLogDir: "/nowhere", nodeName: NAME };
  await using kubelet = await serveKubelet(serverOptions, deps as KubeletServerDeps);
  assert.equal(await shownBy(kubelet.port), undefined);
  const running = certificates.run(client, (pair) => kubelet.useCertificate(pair), ended.signal);
  const csr = await waitFor("the request", async () =>
    (await requests()).find(({ spec }) => spec.signerName === "kubernetes.io/kubelet-serving"),
  );
  assert.equal(csr.spec.username, `system:node:${NAME}`);
  await decide(csr, "Approved");
  const shown = await waitFor("the certificate", async () => await shownBy(kubelet.port));
  assert.ok(shown.checkIP("127.0.0.1") && shown.checkHost(NAME));
  assert.ok(shown.verify(new X509Certificate(server.pki.ca.cert).publicKey));
  ended.abort();
  await running;
  const kept = await KubeletCertificates.open(options, context());
  assert.equal(new X509Certificate(kept.serving?.cert ?? "").serialNumber, shown.serialNumber);
});

test("the program itself joins with a token and gets the serving certificate that was approved for it", async () => {
  assert.equal(process.getuid?.(), 0, "the kubelet makes cgroups: run this test as root");
  const { folder } = server.pki;
  const [port = 0, healthzPort = 0] = await freePorts(2);
  const cgroupRoot = `/skiff-certificates-${process.pid}`;
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => (await CgroupFs.open(realClock)).remove(cgroupRoot));
  const kubelet = new ChildProgram(process.execPath, [
    fileURLToPath(new URL("../main.ts", import.meta.url)),
    `--bootstrap-kubeconfig=${options.bootstrapKubeconfig}`,
    `--kubeconfig=${join(folder, "n2.conf")}`,
    `--cert-dir=${join(folder, "n2-pki")}`,
    "--rotate-certificates",
    "--rotate-server-certificates",
    "--hostname-override=n2",
    "--node-ip=127.0.0.1",
    `--port=${port}`,
    `--healthz-port=${healthzPort}`,
    `--root-dir=${join(folder, "n2")}`,
    `--pod-log-dir=${join(folder, "n2-logs")}`,
    // Who the kubelet is does not depend on what it can run.
    `--container-runtime-endpoint=unix://${join(folder, "no-runtime.sock")}`,
    `--cgroup-root=${cgroupRoot}`,
    "--resolv-conf=",
  ]);
  cleanup.defer(() => kubelet.stop("SIGKILL"));
  const isWanted = ({ spec }: CertificateSigningRequest) =>
    spec.signerName === "kubernetes.io/kubelet-serving" && spec.username === "system:node:n2";
  const csr = await waitFor("the request", async () => (await requests()).find(isWanted)).catch((error: Error) => {
    throw new Error(`${error.message}\n${kubelet.log.slice(-3000)}`);
  });
  await decide(csr, "Approved");
  // It listens once there is a runtime; what it will show is there before.
  const file = join(folder, "n2-pki", "kubelet-server-current.pem");
  const made = await waitFor("the certificate", async () => new X509Certificate(await readFile(file, "utf8")));
  assert.equal(made.subject, "O=system:nodes\nCN=system:node:n2");
});

test("approved requests with wrong names or usages fail in the signer's words", async () => {
  const all = await requests();
  const fail = async (name: string, template: CertificateSigningRequest | undefined) => {
    assert.ok(template);
    const spec = { ...template.spec, signerName: "kubernetes.io/kubelet-serving", usages: ["client auth"] };
    const api = admin.of(certificateSigningRequests);
    await decide(await api.create("", { metadata: { name }, spec }, { signal: stop.signal }), "Approved");
    const failed = await waitFor("the verdict", async () => {
      const found = await api.get("", name, { signal: stop.signal });
      return found.status?.conditions?.find(({ type }) => type === "Failed");
    });
    return `${failed.reason}: ${failed.message}`;
  };
  const nameless = all.find(({ metadata }) => metadata.name.startsWith("node-csr-"));
  const named = all.find(({ spec }) => spec.signerName === "kubernetes.io/kubelet-serving");
  assert.equal(await fail("nameless", nameless), "SignerValidationFailure: DNS or IP subjectAltName is required");
  assert.equal(
    await fail("misused", named),
    "SignerValidationFailure: usages did not match [digital signature key encipherment server auth]",
  );
});
