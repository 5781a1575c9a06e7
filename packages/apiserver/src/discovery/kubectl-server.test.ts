// What kubectl, old and new, asks a server about itself.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findKubectls } from "@skiff/testkit/kubectl.ts";
import { serveApi } from "../testing/serve-api.ts";

const { server, client } = await serveApi();
const home = mkdtempSync(join(tmpdir(), "skiff-kubectl-"));
after(() => rmSync(home, { recursive: true }));

interface Said {
  readonly code: number;
  readonly text: string;
}

for (const { version, path } of await findKubectls()) {
  const minor = Number(version.split(".")[1]);
  const run = (...args: string[]): Promise<Said> =>
    new Promise((resolve) => {
      // A home of its own: kubectl remembers what servers serve.
      const env = { HOME: join(home, version), KUBECONFIG: server.kubeconfig };
      execFile(path, args, { env, timeout: 60_000, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr }),
      );
    });

  test(`kubectl ${version} learns resources, verbs and rights, and dumps the cluster`, async () => {
    const [resources, rights, info, top] = await Promise.all([
      run("api-resources", "--verbs=list,watch", "--namespaced=false", "-o", "name"),
      run("auth", "can-i", "--list", "--as=jane"),
      run("cluster-info", "dump", `--output-directory=${join(home, `dump-${version}`)}`),
      run("top", "nodes"),
    ]);
    assert.match(resources.text, /^nodes\n(.*\n)*clusterroles\.rbac\.authorization\.k8s\.io$/m);
    // Only listed, and cannot be watched.
    assert.doesNotMatch(resources.text, /componentstatuses/);
    assert.match(rights.text, /^selfsubjectaccessreviews\.authorization\.k8s\.io +\[\] +\[\] +\[create\]$/m);
    assert.match(rights.text, /\[\/healthz\] +\[\] +\[get\]$/m);
    assert.equal(info.code, 0, info.text);
    assert.ok(readdirSync(join(home, `dump-${version}`, "kube-system")).includes("events.json"));
    assert.deepEqual([top.code, top.text], [1, "error: Metrics API not available\n"]);
  });

  test(`kubectl ${version} finds what older and newer releases have`, async () => {
    const gone = await run("get", "--raw", "/swaggerapi");
    assert.match(gone.text, /\(NotFound\): the server could not find the requested resource/);
    const watch = await run("get", "--raw", "/api/v1/watch/namespaces/default?timeoutSeconds=1");
    assert.match(watch.text, /^\{"type":"ADDED","object":\{"kind":"Namespace".*"name":"default"/);
    assert.doesNotMatch((await run("get", "ns", "default", "-o", "json")).text, /selfLink/);
    const parts = await run("get", "cs", "etcd-0");
    assert.match(parts.text, /^Warning: v1 ComponentStatus is deprecated in v1\.19\+$/m);
    assert.match(parts.text, /^etcd-0 +Healthy +ok/m);
    if (minor >= 24) {
      const token = await run("create", "token", "default", "--duration=20m");
      assert.equal(token.text.split(".").length, 3, token.text);
      assert.match((await run("create", "token", "nobody")).text, /serviceaccounts "nobody" not found/);
    }
    if (minor >= 28) {
      const event = {
        metadata: { name: `e-${version}`, namespace: "default" },
        involvedObject: { kind: "Namespace", name: "default", namespace: "default" },
        ...{ reason: "Seen", message: "it was seen", type: "Warning" },
        lastTimestamp: new Date().toISOString(),
      };
      assert.equal((await client.post("/api/v1/namespaces/default/events", event)).code, 201);
      assert.match((await run("events", "--types=Warning")).text, /Warning +Seen +Namespace\/default +it was seen/);
      assert.match((await run("auth", "whoami")).text, /^Username +admin$/m);
    }
  });
}
