// What a container finds around itself: its host name, /etc/hosts, DNS, namespaces, host ports and environment.
import assert from "node:assert/strict";
import { readFileSync, readlinkSync } from "node:fs";
import { describe, test } from "node:test";
import type { PodSpec } from "@skiff/api/types.ts";
import { isDone, isReady, shell, TestPods, WAIT } from "../../test-pods.ts";
import { waitFor } from "../../wait-for.ts";

const pods = await TestPods.start();
const { cluster } = pods;

describe("a container finds", { concurrency: 4 }, () => {
  test("an /etc/hosts of the kubelet's with the pod's own name and its aliases", async () => {
    const hosts = await pods.output("hosts", shell("cat /etc/hosts; hostname"), {
      hostname: "web",
      subdomain: "sub",
      hostAliases: [{ ip: "10.1.2.3", hostnames: ["one.example", "two.example"] }],
    });
    const { status } = await pods.when("hosts", () => true);
    const lines = hosts.split("\n");
    assert.equal(lines[0], "# Kubernetes-managed hosts file.");
    assert.ok(lines.includes(`${status?.podIP}\tweb.sub.default.svc.cluster.local\tweb`), hosts);
    assert.deepEqual(lines.slice(-5), [
      "",
      "# Entries added by HostAliases.",
      "10.1.2.3\tone.example\ttwo.example",
      "web",
      "",
    ]);
  });

  test("the host name that its pod puts before every other", async () => {
    const text = await pods.output("renamed", shell("hostname; cat /etc/hosts"), {
      hostnameOverride: "some.other.name",
    });
    const { status } = await pods.when("renamed", () => true);
    assert.match(text, new RegExp(`^some\\.other\\.name\n[^]*^${status?.podIP}\tsome\\.other\\.name$`, "m"));
  });

  test("the /etc/hosts that it mounts itself", async () => {
    await pods.createConfigMap("own-hosts", { data: { hosts: "10.9.9.9 mine\n" } });
    const mount = { name: "own", mountPath: "/etc/hosts", subPath: "hosts" };
    const volumes = [{ name: "own", configMap: { name: "own-hosts" } }];
    const hosts = await pods.output("own-hosts", shell("cat /etc/hosts", { volumeMounts: [mount] }), { volumes });
    assert.equal(hosts, "10.9.9.9 mine\n");
  });

  test("the resolver that its pod asks for", async () => {
    const cat = shell("cat /etc/resolv.conf");
    const dnsConfig = {
      nameservers: ["10.1.1.1", "10.1.1.2"],
      searches: ["one.example", "two.example"],
      options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
    };
    const own = await pods.output("own-dns", cat, { dnsPolicy: "None", dnsConfig });
    assert.deepEqual(own.trim().split("\n").toSorted(), [
      "nameserver 10.1.1.1",
      "nameserver 10.1.1.2",
      "options ndots:2 edns0",
      "search one.example two.example",
    ]);
    const added = await pods.output("added-dns", cat, { dnsPolicy: "Default", dnsConfig: { searches: ["added"] } });
    assert.match(added, /^search .*\badded$/m);
    assert.doesNotMatch(added, /10\.1\.1\./);
  });

  test("no more of a resolver than programs read, and an event that tells what was left out", async () => {
    const nameservers = ["10.1.1.1", "10.1.1.2", "10.1.1.3"];
    const searches = Array.from({ length: 32 }, (_, index) => `${index}.example`);
    const spec = { dnsPolicy: "Default", dnsConfig: { nameservers, searches } };
    const text = await pods.output("much-dns", shell("cat /etc/resolv.conf"), spec);
    const servers = [...text.matchAll(/^nameserver (\S+)$/gm)].map(([, server]) => server);
    const [, line = ""] = /^search (.*)$/m.exec(text) ?? [];
    // The node's own come first, if it has any.
    assert.deepEqual([servers.length, line.split(" ").length], [3, 32]);
    const toldOf = (what: RegExp, left: string) =>
      pods.event("much-dns", new RegExp(`^DNSConfigForming ${what.source} have been omitted, .* line is: ${left}$`));
    if (servers.includes("10.1.1.3")) return;
    await toldOf(/Nameserver limits were exceeded, some nameservers/, servers.join(" "));
    if (!searches.every((one) => line.includes(one)))
      await toldOf(/Search Line limits were exceeded, some search paths/, line);
  });

  test("the node's /etc/hosts with its aliases, where it is on the node's network", async () => {
    const hostAliases = [{ ip: "10.1.2.3", hostnames: ["one.example"] }];
    const hosts = await pods.output("node-hosts", shell("cat /etc/hosts"), { hostNetwork: true, hostAliases });
    const own = readFileSync("/etc/hosts", "utf8");
    const head = "# Kubernetes-managed hosts file (host network).\n";
    assert.equal(hosts, `${head}${own}\n# Entries added by HostAliases.\n10.1.2.3\tone.example\n`);
  });

  test("another file system, network and processes than its neighbours in other pods, unless it shares", async () => {
    const own = (name: string) => readlinkSync(`/proc/self/ns/${name}`);
    const look = shell("for n in pid ipc uts net; do readlink /proc/self/ns/$n; done");
    const seen = async (name: string, spec: Partial<PodSpec>) => {
      const [pid, ipc, uts, net] = (await pods.output(name, look, spec)).trim().split("\n");
      return { pid, ipc, uts, net };
    };
    const alone = await seen("alone", {});
    for (const name of ["pid", "ipc", "net"] as const) assert.notEqual(alone[name], own(name), name);
    const host = await seen("host", { hostPID: true, hostIPC: true, hostNetwork: true });
    const net = (await cluster.onNode("node-1", "readlink", "/proc/self/ns/net")).trim();
    assert.deepEqual([host.pid, host.ipc, host.net], [own("pid"), own("ipc"), net]);
    const { status } = await pods.when("host", () => true);
    assert.equal(status?.podIP, cluster.addressOf("node-1"));
    assert.equal(status?.hostIP, status?.podIP);
  });

  test("its pod's other processes only where the pod shares them", async () => {
    const pair = (names: readonly string[]) =>
      names.map((name) =>
        shell(`readlink /proc/self/ns/ipc; readlink /proc/self/ns/net; cat /proc/1/comm; ${WAIT}`, { name }),
      );
    const lines = (pod: string) =>
      waitFor(`the words of ${pod}`, async () => {
        const texts = [await pods.log(pod, { container: "a" }), await pods.log(pod, { container: "b" })];
        const words = texts.map((text) => text.trim().split("\n"));
        return words.every(({ length }) => length === 3) && words;
      });
    await pods.create("shared", { shareProcessNamespace: true, containers: pair(["a", "b"]) });
    await pods.create("apart", { containers: pair(["a", "b"]) });
    await Promise.all(["shared", "apart"].map((name) => pods.when(name, isReady)));
    const [one, two] = await lines("shared");
    assert.deepEqual(one, two, "containers of a pod share IPC and network");
    assert.equal(one?.[2], "pause");
    const [left, right] = await lines("apart");
    assert.deepEqual(left?.slice(0, 2), right?.slice(0, 2));
    assert.equal(left?.[2], "sh");
  });

  test("its port on the host, on the address and for the protocol that it named", async () => {
    const port = (hostPort: number, more: object = {}) => ({ containerPort: 80, hostPort, ...more });
    const address = cluster.addressOf("node-1");
    const ports = [port(18080), port(18081, { hostIP: address })];
    await pods.create("host-port", { containers: [{ name: "c", image: shell("").image, ports }] });
    await pods.when("host-port", isReady);
    for (const { hostPort } of ports) {
      const answer = await waitFor("an answer", () =>
        cluster.onNode("node-1", "curl", "-s", "-m", "5", `http://${address}:${hostPort}/`),
      );
      assert.equal(answer, "Hello from host-port\n");
    }
    // Past the scheduler, which would not have sent it here.
    const second = { nodeName: "node-1", containers: [{ name: "c", image: shell("").image, ports: [port(18080)] }] };
    await pods.create("same-port", second);
    const { status } = await pods.when("same-port", isDone);
    const words = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
    assert.deepEqual(
      [status?.phase, status?.reason, status?.message],
      ["Failed", "NodePorts", `Pod was rejected: ${words}`],
    );
    // What was never taken in has no containers to tell of, so that its reason is what kubectl shows.
    assert.equal(status?.containerStatuses, undefined);
    assert.match(await pods.kubectl.run("get", "pod", "same-port"), /\sNodePorts\s/);
  });

  test("facts of its pod, its node and its resources in its environment", async () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const amount = (name: string, resource: string, divisor: string) => ({
      name,
      valueFrom: { resourceFieldRef: { resource, divisor } },
    });
    const env = [
      field("NAME", "metadata.name"),
      field("NAMESPACE", "metadata.namespace"),
      field("UID_OF_POD", "metadata.uid"),
      field("LABEL", "metadata.labels['app']"),
      field("NOTE", "metadata.annotations['example.com/note']"),
      field("NODE", "spec.nodeName"),
      field("ACCOUNT", "spec.serviceAccountName"),
      field("HOST_IP", "status.hostIP"),
      field("HOST_IPS", "status.hostIPs"),
      field("POD_IP", "status.podIP"),
      field("POD_IPS", "status.podIPs"),
      amount("CPU", "limits.cpu", "1m"),
      amount("MEMORY", "requests.memory", "1Mi"),
    ];
    const resources = { limits: { cpu: "250m" }, requests: { memory: "8Mi", cpu: "10m" } };
    const metadata = { labels: { app: "facts" }, annotations: { "example.com/note": "a note" } };
    const text = await pods.output("facts", shell("env", { env, resources }), {}, metadata);
    const found = readEnvironment(text);
    const pod = await pods.when("facts", ({ status }) => status?.podIP !== undefined);
    assert.deepEqual(Object.fromEntries(env.map(({ name }) => [name, found[name]])), {
      NAME: "facts",
      NAMESPACE: "default",
      UID_OF_POD: pod.metadata.uid,
      LABEL: "facts",
      NOTE: "a note",
      NODE: "node-1",
      ACCOUNT: "default",
      HOST_IP: cluster.addressOf("node-1"),
      HOST_IPS: cluster.addressOf("node-1"),
      POD_IP: pod.status?.podIP,
      POD_IPS: pod.status?.podIP,
      CPU: "250",
      MEMORY: "8",
    });
  });

  test("values of ConfigMaps and Secrets in its environment, references resolved, Services named", async () => {
    await pods.createConfigMap("settings", { data: { colour: "blue", "not-a-name": "x" } });
    await pods.createSecret("login", { stringData: { password: "pass word" } });
    const env = [
      { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
      { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "login", key: "password" } } },
      { name: "NONE", valueFrom: { configMapKeyRef: { name: "absent", key: "x", optional: true } } },
      { name: "BOTH", value: "$(COLOUR)-$(PASSWORD)-$$(COLOUR)-$(NOBODY)" },
    ];
    const envFrom = [
      { prefix: "CM_", configMapRef: { name: "settings" } },
      { prefix: "NO_", secretRef: { name: "absent", optional: true } },
    ];
    // Not by a shell, which passes on no names that it could not have itself.
    const run = (command: string[], args: string[] = []) => ({ ...shell(""), command, args, env, envFrom });
    assert.equal(
      await pods.output("words", run(["echo", "$(COLOUR)"], ["$$(COLOUR)", "$(NOBODY)"])),
      "blue $(COLOUR) $(NOBODY)\n",
    );
    const found = readEnvironment(await pods.output("settings", run(["env"]), { enableServiceLinks: false }));
    assert.equal(found.BOTH, "blue-pass word-$(COLOUR)-$(NOBODY)");
    assert.equal(found.CM_colour, "blue");
    assert.equal(found["CM_not-a-name"], "x");
    assert.equal(found.NONE, undefined);
    assert.match(found.KUBERNETES_SERVICE_HOST ?? "", /^\d+\.\d+\.\d+\.\d+$/);
    assert.equal(found.KUBERNETES_SERVICE_PORT, "443");
  });

  test("variables out of a file that its init container wrote, in a volume that it does not mount", async () => {
    const file = (key: string) => ({ fileKeyRef: { volumeName: "made", path: "an.env", key } });
    const env = [{ name: "MADE", valueFrom: file("A") }];
    const script = `printf "# made\\nA='two\\nlines'\\n" > /made/an.env`;
    const init = shell(script, { name: "init", volumeMounts: [{ name: "made", mountPath: "/made" }] });
    const more = { initContainers: [init], volumes: [{ name: "made", emptyDir: {} }] };
    assert.equal(await pods.output("made", shell('ls /; echo "$MADE"', { env }), more).then(lastLines), "two\nlines");
    const containers = [shell("", { env: [{ name: "B", valueFrom: file("B") }] })];
    await pods.create("unmade", { restartPolicy: "Never", containers, ...more });
    const { state } = await pods.whenWaiting("unmade", "CreateContainerConfigError");
    assert.equal(state?.waiting?.message, 'environment variable key "B" not found in file');
  });

  test("nothing while a key that it needs is missing, and starts once it is there", async () => {
    const env = [{ name: "A", valueFrom: { configMapKeyRef: { name: "late", key: "a" } } }];
    await pods.create("late", { restartPolicy: "Never", containers: [shell("echo $A", { env })] });
    const { state } = await pods.whenWaiting("late", "CreateContainerConfigError");
    assert.equal(state?.waiting?.message, 'configmap "late" not found');
    await pods.createConfigMap("late", { data: { a: "here" } });
    await pods.when("late", ({ status }) => status?.phase === "Succeeded");
    assert.equal(await pods.log("late"), "here\n");
  });
});

function lastLines(text: string): string {
  assert.doesNotMatch(text, /made/);
  return text.trim().split("\n").slice(-2).join("\n");
}

function readEnvironment(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}
