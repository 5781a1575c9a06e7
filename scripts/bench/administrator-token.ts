// A bearer token that may do everything, for load generators that take no certificates: a ServiceAccount's, as any apiserver gives it.
import type { ServerPki } from "../../packages/testkit/src/real-api-server.ts";
import { http1Client } from "./api-client.ts";

export async function administratorToken(url: string, { ca, admin }: ServerPki): Promise<string> {
  using client = http1Client(url, { ca: ca.cert, cert: admin.cert, key: admin.key });
  const post = async (path: string, body: object) => {
    const reply = await client.call({ method: "POST", path, body: JSON.stringify(body) });
    const text = reply.body.toString();
    if (reply.code >= 300) throw new Error(`${path} was answered ${reply.code}: ${text.slice(0, 300)}`);
    return JSON.parse(text);
  };
  await post("/api/v1/namespaces", { metadata: { name: "bench-admin" } });
  const accounts = "/api/v1/namespaces/bench-admin/serviceaccounts";
  await post(accounts, { metadata: { name: "admin" } });
  await post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "bench-admin" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", namespace: "bench-admin", name: "admin" }],
  });
  const { status } = await post(`${accounts}/admin/token`, { spec: { expirationSeconds: 36_000 } });
  return status.token as string;
}
