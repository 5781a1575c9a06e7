import assert from "node:assert/strict";
import { test } from "node:test";
import { samplePod } from "../testing/sample-pods.ts";
import { HOST_USERS } from "../user-namespaces/in-user-namespace.ts";
import { dnsOmissions, parseResolvConf, podDns } from "./dns.ts";
import { podHosts } from "./etc-hosts.ts";
import { podHostname, sandboxConfig } from "./sandbox-config.ts";

const node = { servers: ["192.0.2.53"], searches: ["example.com"], options: ["timeout:1"] };
const DNS = { clusterDns: ["10.96.0.10"], clusterDomain: "cluster.local", node };

const SETTINGS = {
  logDirectory: "/l",
  cgroupParent: "/c",
  dns: DNS,
  clusterDomain: "cluster.local",
  users: HOST_USERS,
};

test("podDns uses the cluster's DNS where there is one, else the node's", () => {
  const settings = { clusterDns: ["10.96.0.10"], clusterDomain: "cluster.local", node };
  const first = podDns(samplePod({ dnsPolicy: "ClusterFirst" }), settings);
  assert.deepEqual(first, {
    servers: ["10.96.0.10"],
    searches: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"],
    options: ["ndots:5"],
  });
  assert.deepEqual(podDns(samplePod({ hostNetwork: true }), settings), node);
  assert.deepEqual(podDns(samplePod({ hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" }), settings), first);
  assert.deepEqual(podDns(samplePod(), { ...settings, clusterDns: [] }), node);
  assert.deepEqual(podDns(samplePod(), { ...settings, clusterDomain: "" }).searches, ["example.com"]);
});

test("podDns merges the pod's own settings, options by name", () => {
  const dnsConfig = {
    nameservers: ["1.2.3.4"],
    searches: ["x.y"],
    options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
  };
  const settings = { clusterDns: ["10.96.0.10"], clusterDomain: "cluster.local", node };
  assert.deepEqual(podDns(samplePod({ dnsPolicy: "None", dnsConfig }), settings), {
    servers: ["1.2.3.4"],
    searches: ["x.y"],
    options: ["ndots:2", "edns0"],
  });
  assert.deepEqual(podDns(samplePod({ dnsConfig }), settings).options, ["ndots:2", "edns0"]);
});

test("podDns keeps to what resolvers read, and dnsOmissions tells what was left out", () => {
  const searches = Array.from({ length: 33 }, (_, index) => `${index}.example`);
  const dnsConfig = { nameservers: ["10.0.0.1", "10.0.0.2", "10.0.0.3"], searches };
  const pod = samplePod({ dnsPolicy: "Default", dnsConfig });
  const { servers, searches: applied } = podDns(pod, DNS);
  assert.deepEqual(servers, ["192.0.2.53", "10.0.0.1", "10.0.0.2"]);
  assert.deepEqual(applied, ["example.com", ...searches.slice(0, 31)]);
  const words = (what: string, paths: string, line: string) =>
    `${what} limits were exceeded, some ${paths} have been omitted, the applied ${line} is: `;
  assert.deepEqual(dnsOmissions(pod, DNS), [
    `${words("Nameserver", "nameservers", "nameserver line")}192.0.2.53 10.0.0.1 10.0.0.2`,
    `${words("Search Line", "search paths", "search line")}${applied.join(" ")}`,
  ]);
  const long = ["a", "b", "c"].map((letter) => letter.repeat(1000));
  const wide = samplePod({ dnsPolicy: "None", dnsConfig: { nameservers: ["10.0.0.1"], searches: long } });
  assert.deepEqual(podDns(wide, DNS).searches, long.slice(0, 2));
  assert.deepEqual(dnsOmissions(samplePod(), DNS), []);
});

test("parseResolvConf takes the last search line and drops the root", () => {
  const text = "# c\nnameserver 192.0.2.1\nsearch a.b\nsearch c.d. .\noptions ndots:1 rotate\nnameserver 192.0.2.2\n";
  assert.deepEqual(parseResolvConf(text), {
    servers: ["192.0.2.1", "192.0.2.2"],
    searches: ["c.d"],
    options: ["ndots:1", "rotate"],
  });
});

test("podHostname cuts long names and joins the subdomain", () => {
  const long = podHostname(samplePod({}, { name: `${"a".repeat(62)}-b` }), "cluster.local");
  assert.equal(long.hostname, "a".repeat(62));
  const named = podHostname(samplePod({ hostname: "h", subdomain: "s" }), "cluster.local");
  assert.equal(named.fqdn, "h.s.default.svc.cluster.local");
});

test("podHosts lists the pod under its full and short name, aliases last", () => {
  const text = podHosts({
    ips: ["10.0.0.5"],
    hostname: "h",
    fqdn: "h.s",
    aliases: [{ ip: "1.2.3.4", hostnames: ["a", "b"] }],
  });
  assert.ok(text.startsWith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
  assert.ok(text.endsWith("10.0.0.5\th.s\th\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"));
});

test("sandboxConfig names the pod after its place in the cluster's DNS where asked to, if the kernel can hold it", () => {
  const named = (hostname: string) =>
    sandboxConfig(samplePod({ hostname, subdomain: "s", setHostnameAsFQDN: true }), 0, SETTINGS).hostname;
  const rest = ".s.default.svc.cluster.local";
  const longest = "h".repeat(64 - rest.length);
  assert.equal(named(longest), `${longest}${rest}`);
  assert.throws(() => named(`${longest}h`), {
    message: `failed to construct FQDN from pod hostname and cluster domain, FQDN ${longest}h${rest} is too long (64 characters is the max, 65 characters requested)`,
  });
});

test("sandboxConfig writes sysctls with dots, whichever way the pod does", () => {
  const sysctls = ["kernel/shm_rmid_forced", "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.200/forwarding"];
  const pod = samplePod({ securityContext: { sysctls: sysctls.map((name) => ({ name, value: "1" })) } });
  assert.deepEqual(Object.keys(sandboxConfig(pod, 0, SETTINGS).linux.sysctls), [
    "kernel.shm_rmid_forced",
    "net.ipv4.conf.eth0/100.forwarding",
    "net.ipv4.conf.eth0/200.forwarding",
  ]);
});
