// Flags: defaults, what can be turned off, what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./config.ts";

const files = ["--tls-cert-file=c", "--tls-private-key-file=k", "--client-ca-file=ca"];

test("parseConfig fills upstream's defaults", () => {
  const config = parseConfig(["--kubeconfig=f", ...files]);
  assert.deepEqual(config.secure, { host: "0.0.0.0", port: 10259, certFile: "c", keyFile: "k", clientCaFile: "ca" });
  assert.equal(config.port, 10251);
  assert.deepEqual(config.leaderElection?.lease, { namespace: "kube-system", name: "kube-scheduler" });
  assert.equal(config.leaderElection?.renewDeadlineMs, 10_000);
});

test("parseConfig turns ports and leader election off, and names the flag that is wrong", () => {
  const off = parseConfig(["--kubeconfig=f", "--secure-port=0", "--port=0", "--leader-elect=false"]);
  assert.deepEqual([off.secure, off.port, off.leaderElection], [undefined, 0, undefined]);
  assert.throws(() => parseConfig([...files]), /--kubeconfig is required/);
  assert.throws(() => parseConfig(["--kubeconfig=f"]), /--tls-cert-file is required/);
  assert.throws(() => parseConfig(["--kubeconfig=f", "--port=70000", ...files]), /--port must be/);
  assert.throws(() => parseConfig(["--kubeconfig=f", ...files, "--nope=1"]), /--nope/);
});
