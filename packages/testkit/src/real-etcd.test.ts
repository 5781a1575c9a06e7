// The etcd launcher: what was acknowledged survives SIGKILL, and only a known client is let in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import { RealEtcd } from "./real-etcd.ts";

test("real etcd keeps what it acknowledged when it is killed, and asks for a client certificate", async () => {
  await using etcd = await RealEtcd.start({ tls: true });
  const { ca, cert, key } = etcd.tls!;
  const flags = [`--endpoints=${etcd.endpoint}`, `--cacert=${ca}`, "--dial-timeout=2s", "--command-timeout=3s"];
  const known = [...flags, `--cert=${cert}`, `--key=${key}`];
  await commandOutput("etcdctl", [...known, "put", "/a", "1"]);
  await etcd.kill();
  await etcd.restart();
  assert.equal(await commandOutput("etcdctl", [...known, "get", "/a", "--print-value-only"]), "1\n");
  assert.notEqual((await runCommand("etcdctl", [...flags, "get", "/a"])).code, 0);
});
