// The way of a request through the filters, over real connections to a real server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { closed } from "@skiff/testkit/closed.ts";
import { clientCertificate, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { serveApi } from "../testing/serve-api.ts";
import { TestClient } from "../testing/test-client.ts";

const FLAGS = ["--max-requests-inflight=4", "--enable-priority-and-fairness=false"];
const { etcd, server, client: admin } = await serveApi({ flags: FLAGS });

test("a refusal says who may not do what where, in upstream's words", async () => {
  using nobody = new TestClient(server, await clientCertificate(server.pki, "jane"));
  const { code, body } = await nobody.get("/apis/apps/v1/namespaces/default/deployments/web/scale");
  assert.equal(code, 403);
  assert.equal(
    body.message,
    'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments/scale" in API group "apps" in the namespace "default"',
  );
  const path = await nobody.get("/metrics");
  assert.equal(path.body.message, 'forbidden: User "jane" cannot get path "/metrics"');
});

test("anonymous clients read health and version and nothing else; a wrong token is 401", async () => {
  using stranger = new TestClient(server, { cert: "", key: "" });
  assert.equal((await stranger.get("/healthz")).text, "ok");
  assert.equal((await stranger.get("/version")).body.gitVersion.startsWith("v1."), true);
  assert.equal((await stranger.get("/api/v1/pods")).code, 403);
  const wrong = await stranger.get("/healthz", { headers: { authorization: "Bearer not.a.token" } });
  assert.equal(wrong.code, 401);
  assert.equal(wrong.body.reason, "Unauthorized");
});

test("impersonation takes the right to it and changes who asks", async () => {
  const headers = { "impersonate-user": "jane" };
  const as = await admin.get("/api/v1/pods", { headers });
  assert.match(as.body.message, /User "jane" cannot list resource "pods"/);
  using nobody = new TestClient(server, await clientCertificate(server.pki, "joe"));
  const refused = await nobody.get("/api/v1/pods", { headers });
  assert.equal(refused.code, 403);
  assert.match(refused.body.message, /users "jane" is forbidden: User "joe" cannot impersonate resource "users"/);
  const group = await admin.get("/api/v1/pods", { headers: { ...headers, "impersonate-group": "system:masters" } });
  assert.equal(group.code, 200);
  // A comma is part of a group's name, and no key of an extra reaches a prototype.
  const odd = { ...headers, "impersonate-group": "cn=a,ou=b", "impersonate-extra-__proto__": "x" };
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const root = { ...odd, "impersonate-user": "system:serviceaccount:kube-system:x" };
  for (const asked of [odd, root]) {
    const who = await admin.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review, { headers: asked });
    assert.deepEqual(who.body.status.userInfo.groups, ["cn=a,ou=b", "system:authenticated"]);
    assert.deepEqual(Object.entries(who.body.status.userInfo.extra), [["__proto__", ["x"]]]);
  }
});

test("bodies over 3 MiB are 413 and the connection serves on", async () => {
  const big = `{"metadata":{"name":"big"},"data":{"a":"${"x".repeat(3 * 1024 * 1024)}"}}`;
  const answer = await admin.post("/api/v1/namespaces/default/configmaps", big);
  assert.equal(answer.code, 413);
  assert.equal(answer.body.reason, "RequestEntityTooLarge");
  assert.equal((await admin.get("/healthz")).code, 200);
});

test("methods of the client's invention are no verbs, and refused upgrades leave no trace in the metrics", async () => {
  const path = "/api/v1/namespaces/default/secrets";
  const rules = [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["mine"], verbs: ["get", "list"] }];
  const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
  await admin.post(`${rbac}/roles`, { metadata: { name: "mine" }, rules });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "mine" };
  const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "eve" }];
  await admin.post(`${rbac}/rolebindings`, { metadata: { name: "mine" }, roleRef, subjects });
  await admin.post(path, { metadata: { name: "mine" } });
  const eve = await clientCertificate(server.pki, "eve");
  const session = connectHttp2(server.url, { ca: server.pki.ca.cert, cert: eve.cert, key: eve.key });
  const status = async (method: string) => {
    const stream = session.request({ ":method": method, ":path": `${path}/mine` }).resume();
    const [headers] = await once(stream, "response");
    return headers[":status"];
  };
  await waitFor("eve's role", async () => (await status("GET")) === 200);
  for (const method of ["LIST", "list", "DELETECOLLECTION", "constructor"]) assert.equal(await status(method), 403);
  session.close();
  const upgrade = { connection: "Upgrade", upgrade: "websocket" };
  using stranger = new TestClient(server, { cert: "", key: "" });
  assert.equal((await stranger.get("/api/v1/made-up-names/x/exec", { headers: upgrade })).code, 403);
  assert.doesNotMatch((await admin.get("/metrics")).text, /made-up-names/);
});

test("a connection whose body never ends is cut some time after its answer", { timeout: 25_000 }, async (t) => {
  const socket = connectTls({ host: "127.0.0.1", port: server.port, ca: server.pki.ca.cert });
  const end = closed(socket);
  socket.write("POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
  const drip = setInterval(() => socket.write(" "), 500);
  t.after(() => clearInterval(drip));
  const [answer] = await once(socket, "data");
  assert.match(String(answer), /^HTTP\/1.1 403 /);
  await end;
});

test("HTTP/2 serves requests and watches beside HTTP/1.1", async () => {
  const { ca, admin: identity } = server.pki;
  const session = connectHttp2(server.url, { ca: ca.cert, cert: identity.cert, key: identity.key });
  const read = (path: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const stream = session.request({ ":path": path });
      let status = 0;
      let text = "";
      stream.on("response", (headers) => {
        status = Number(headers[":status"]);
      });
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      stream.on("error", reject);
      stream.on("end", () => resolve({ status, text }));
    });
  const answers = await Promise.all(["/api/v1/namespaces", "/api/v1/nodes", "/version"].map(read));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [200, 200, 200],
  );
  const watch = await read("/api/v1/namespaces?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Ddefault");
  assert.equal(JSON.parse(watch.text.split("\n")[0] ?? "").object.metadata.name, "default");
  session.close();
});

test("more requests at once than allowed are 429 with Retry-After; watches do not count", async () => {
  using viewer = new TestClient(server, await clientCertificate(server.pki, "viewer"));
  await admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "viewer" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "viewer" }],
  });
  await waitFor("the binding", async () => (await viewer.get("/api/v1/pods")).code === 200);
  const watches = Array.from({ length: 8 }, () => viewer.watch("/api/v1/pods?watch=1"));
  await waitFor("the watches", () => watches.every((watch) => watch.code === 200));
  assert.equal((await viewer.get("/api/v1/pods")).code, 200, "watches hold no places");
  const refused = await waitFor("a refusal", async () => {
    // These wait for a revision that does not come, so they hold their places for seconds.
    const held = Array.from({ length: 12 }, () => viewer.get("/api/v1/pods?resourceVersion=999999999"));
    const exempt = await admin.get("/api/v1/pods");
    assert.equal(exempt.code, 200, "system:masters are exempt");
    return (await Promise.all(held)).find(({ code }) => code === 429);
  });
  assert.equal(refused.headers["retry-after"], "1");
  for (const watch of watches) watch[Symbol.dispose]();
});

test("a stop ends watches in good order and the process with success", async () => {
  const other = await RealApiServer.start(etcd, { like: server });
  using client = new TestClient(other);
  using watch = client.watch("/api/v1/namespaces?watch=1&allowWatchBookmarks=true");
  await waitFor("the watch", () => watch.events.length >= 4);
  await other.stop();
  assert.equal(watch.ended, true);
  assert.equal(watch.events.at(-1)?.type, "BOOKMARK");
  assert.match(other.log, /"msg":"stopped"/);
});
