// A server over an etcd of its own and a client of it, for the tests of one file.
import { after } from "node:test";
import { type ApiServerOptions, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { TestClient } from "./test-client.ts";

export interface ServedApi {
  readonly etcd: RealEtcd;
  readonly server: RealApiServer;
  /** An administrator. */
  readonly client: TestClient;
}

/** To be awaited at the top of a test file, whose last test ends it all. Pods can be made in `default`, which has its ServiceAccount. */
export async function serveApi(options: ApiServerOptions = {}): Promise<ServedApi> {
  await using started = new AsyncDisposableStack();
  const etcd = started.use(await RealEtcd.start({ tls: true }));
  const server = started.use(await RealApiServer.start(etcd, options));
  const client = started.use(new TestClient(server));
  const account = { metadata: { name: "default" } };
  await client.post("/api/v1/namespaces/default/serviceaccounts", account);
  const owned = started.move();
  after(() => owned.disposeAsync());
  return { etcd, server, client };
}
