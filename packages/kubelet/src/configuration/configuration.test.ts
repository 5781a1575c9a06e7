// The configuration file, its drop-ins, and what flags make of both.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseConfig } from "../config.ts";
import { configzOf } from "../configz.ts";
import { formatDuration } from "./field-types.ts";

const dir = await mkdtemp(join(tmpdir(), "skiff-kubelet-config-"));
after(() => rm(dir, { recursive: true }));
const HEADER = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
const REQUIRED = ["--kubeconfig=k", "--tls-cert-file=c", "--tls-private-key-file=k", "--node-ip=10.0.0.1"];

async function file(name: string, text: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, HEADER + text);
  return path;
}

function refused(expected: RegExp, ...args: string[]): Promise<void> {
  return assert.rejects(parseConfig([...REQUIRED, ...args]), expected);
}

test("flags win over drop-ins, drop-ins over the file, and the file over defaults", async () => {
  const path = await file(
    "base.yaml",
    "maxPods: 20\nport: 11000\nsyncFrequency: 1m30s\nevictionHard: {pid.available: 5%}\n",
  );
  await file("10.conf", "maxPods: 30\npodsPerCore: 5\nauthentication: {anonymous: {enabled: true}}\n");
  await file("20.conf", "podsPerCore: 6\n");
  await file("ignored.yaml", "nonsense: 1\n");
  const args = [`--config=${path}`, `--config-dir=${dir}`, "--port=12000", "--kube-reserved=cpu=100m"];
  const config = await parseConfig([...REQUIRED, ...args]);
  assert.deepEqual([config["max-pods"], config.port, config["anonymous-auth"]], [30, 12000, true]);
  const { settings } = config;
  assert.deepEqual([settings.maxPods, settings.podsPerCore, settings.syncFrequency], [30, 6, 90_000]);
  const shown = configzOf(config) as Record<string, unknown>;
  assert.deepEqual(shown.kubeReserved, { cpu: "100m" });
  assert.deepEqual(shown.evictionHard, { "pid.available": "5%" });
  assert.equal(shown.syncFrequency, "1m30s");
  assert.deepEqual(shown.authentication, {
    x509: { clientCAFile: "" },
    webhook: { enabled: true, cacheTTL: "2m0s" },
    anonymous: { enabled: true },
  });
});

test("unknown fields, wrong types and other kinds are refused with the file's name", async () => {
  await refused(
    /bad\.yaml, error: strict decoding error: unknown field "maxPodz"/,
    `--config=${await file("bad.yaml", "maxPodz: 1\n")}`,
  );
  await refused(
    /type\.yaml, error: maxPods: a whole number is wanted/,
    `--config=${await file("type.yaml", "maxPods: '1'\n")}`,
  );
  await refused(
    /the static policy requires systemreserved.cpu/,
    `--config=${await file("cpu.yaml", "cpuManagerPolicy: static\n")}`,
  );
  const other = join(dir, "other.yaml");
  await writeFile(other, "apiVersion: v1\nkind: Pod\n");
  await refused(/no kind "Pod" is registered for version "v1"/, `--config=${other}`);
});

test("validation speaks in upstream's words", async () => {
  await refused(
    /imageGCLowThresholdPercent \(--image-gc-low-threshold\) 90 must be less than imageGCHighThresholdPercent \(--image-gc-high-threshold\) 85/,
    "--image-gc-low-threshold=90",
  );
  await refused(/invalid eviction threshold syntax: memory.available=1Gi/, "--eviction-hard=memory.available=1Gi");
  await refused(
    /grace period must be specified for the soft eviction threshold memory.available/,
    "--eviction-soft=memory.available<1Gi",
  );
  await refused(/unsupported eviction signal disk/, "--eviction-hard=disk<1Gi");
  await refused(/invalid MaxFiles 1, must be > 1/, "--container-log-max-files=1");
  const verify = (policy: string, list: string) =>
    file(
      "v.yaml",
      `imagePullCredentialsVerificationPolicy: ${policy}\npreloadedImagesVerificationAllowlist: ${list}\n`,
    );
  await refused(
    /invalid configuration: option "Maybe" specified for imagePullCredentialsVerificationPolicy. Valid options are "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages" or "AlwaysVerify"/,
    `--config=${await verify("Maybe", "[]")}`,
  );
  await refused(
    /can't set `preloadedImagesVerificationAllowlist` if/,
    `--config=${await verify("AlwaysVerify", "[a]")}`,
  );
  await refused(
    /invalid image pattern in `preloadedImagesVerificationAllowlist`: not a valid wildcard pattern/,
    `--config=${await verify("NeverVerifyAllowlistedImages", '["a*"]')}`,
  );
  const shutdown = (text: string) => file("shutdown.yaml", text);
  await refused(
    /invalid configuration: shutdownGracePeriod 5s must be >= shutdownGracePeriodCriticalPods 10s/,
    `--config=${await shutdown("shutdownGracePeriod: 5s\nshutdownGracePeriodCriticalPods: 10s\n")}`,
  );
  await refused(
    /shutdownGracePeriod 500ms must be either zero or otherwise >= 1 sec/,
    `--config=${await shutdown("shutdownGracePeriod: 500ms\n")}`,
  );
  await refused(
    /Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time/,
    `--config=${await shutdown("shutdownGracePeriod: 5s\nshutdownGracePeriodByPodPriority: [{priority: 0, shutdownGracePeriodSeconds: 5}]\n")}`,
  );
});

test("feature gates are agreed with where they say what is so, and refused by name otherwise", async () => {
  const path = await file("gates.yaml", "featureGates: {ImageVolume: true, MemoryQoS: false}\n");
  const config = await parseConfig([...REQUIRED, `--config=${path}`]);
  assert.deepEqual((configzOf(config) as Record<string, unknown>).featureGates, {
    ImageVolume: true,
    MemoryQoS: false,
  });
  const locked = /cannot set feature gate MemoryQoS to true, feature is locked to false/;
  await refused(locked, "--feature-gates=NodeSwap=true,MemoryQoS=true");
  await refused(locked, `--config=${await file("moved.yaml", "featureGates: {MemoryQoS: true}\n")}`);
  await refused(/unrecognized feature gate: NoSuchGate/, "--feature-gates=NoSuchGate=false");
  await refused(/missing bool value for NodeSwap/, "--feature-gates=NodeSwap");
});

test("options that are numbers have their bounds", async () => {
  const withIds = async (ids: number) => `--config=${await file("ids.yaml", `userNamespaces: {idsPerPod: ${ids}}\n`)}`;
  await refused(/userNamespaces.idsPerPod must not be less than 65536/, await withIds(1000));
  await refused(/userNamespaces.idsPerPod must be a multiple of 65536/, await withIds(65_537));
  await refused(/userNamespaces.idsPerPod must not be more than 4294967295/, await withIds(65_536 * 65_536));
  const nodes = (text: string) => `--topology-manager-policy-options=max-allowable-numa-nodes=${text}`;
  await refused(/the minimum value of "max-allowable-numa-nodes" should not be less than 8/, nodes("7"));
  await refused(/"many" is no whole number/, nodes("many"));
  await refused(/of more than 30 is not supported by this kubelet/, nodes("31"));
});

/** What kubeadm writes of a KubeletConfiguration about which it was told nothing. */
const FROM_KUBEADM = `
authentication:
  anonymous: {enabled: false}
  webhook: {cacheTTL: 0s, enabled: true}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
authorization:
  mode: Webhook
  webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
logging:
  flushFrequency: 0
  options:
    json: {infoBufferSize: "0"}
    text: {infoBufferSize: "0"}
  verbosity: 0
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
`;

test("a file as kubeadm writes it is taken, and no time at all means the default", async () => {
  const { settings } = await parseConfig([...REQUIRED, `--config=${await file("kubeadm.yaml", FROM_KUBEADM)}`]);
  const defaults = (await parseConfig(REQUIRED)).settings;
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("logging.")) continue;
    const isDuration = name.endsWith("Period") || name.endsWith("Frequency") || name.endsWith("TTL");
    if (isDuration) assert.equal(value, defaults[name as keyof typeof defaults], name);
  }
  assert.deepEqual(
    [settings.cgroupDriver, settings.containerRuntimeEndpoint],
    ["systemd", defaults.containerRuntimeEndpoint],
  );
});

test("what is shown can be given back, and what changes nothing here cannot be changed", async () => {
  const shown = JSON.stringify({
    ...configzOf(await parseConfig(REQUIRED)),
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
  });
  const path = join(dir, "shown.json");
  await writeFile(path, shown);
  const again = await parseConfig([...REQUIRED, `--config=${path}`]);
  assert.equal(again.settings.cpuCFSQuota, true);
  for (const [text, problem] of Object.entries({
    "cpuCFSQuotaPeriod: 5ms": /cpuCFSQuotaPeriod: only 100ms is supported/,
    "qosReserved: {memory: 50%}": /qosReserved: nothing in it is supported/,
    "oomScoreAdj: 1001": /oomScoreAdj \(--oom-score-adj\) 1001 must be between -1000 and 1000, inclusive/,
    "systemCgroups: /": /system container cannot be root/,
  })) {
    await refused(problem, `--config=${await file("fixed.yaml", `${text}\n`)}`);
  }
});

test("a configuration as upstream's /configz shows it is taken", async () => {
  const path = await file(
    "dump.yaml",
    `enableServer: true
registryPullQPS: 5
registryBurst: 10
eventRecordQPS: 50
eventBurst: 100
enableDebuggingHandlers: true
oomScoreAdj: -999
cgroupsPerQOS: true
hairpinMode: promiscuous-bridge
cpuCFSQuota: true
cpuCFSQuotaPeriod: 100ms
maxOpenFiles: 1000000
contentType: application/vnd.kubernetes.protobuf
kubeAPIQPS: 50
kubeAPIBurst: 100
enableControllerAttachDetach: true
makeIPTablesUtilChains: true
iptablesMasqueradeBit: 14
iptablesDropBit: 15
configMapAndSecretChangeDetectionStrategy: Watch
volumePluginDir: /usr/libexec/kubernetes/kubelet-plugins/volume/exec/
logging: {format: text, flushFrequency: 5s, verbosity: 2, options: {}}
enableSystemLogHandler: true
enableProfilingHandler: true
enableDebugFlagsHandler: true
memoryThrottlingFactor: 0.9
failCgroupV1: false
`,
  );
  const shown = configzOf(await parseConfig([...REQUIRED, `--config=${path}`])) as Record<string, unknown>;
  assert.deepEqual([shown.oomScoreAdj, shown.cpuCFSQuotaPeriod, shown.maxOpenFiles], [-999, "100ms", 1_000_000]);
});

test("what is not there is refused by its name, in a file and as a flag", async () => {
  const cases: Record<string, RegExp> = {
    "runOnce: true": /runOnce: only false is supported/,
    "tracing: {endpoint: x}": /tracing: nothing in it is supported by this kubelet/,
    "kernelMemcgNotification: true": /kernelMemcgNotification: only false is supported/,
    "eventBurst: -1": /eventBurst \(--event-burst\) -1 must not be a negative number/,
    "tlsMinVersion: VersionTLS10": /unknown tls version "VersionTLS10"/,
    "tlsCipherSuites: [TLS_X]": /cipher suite TLS_X not supported or doesn't exist/,
    "enforceNodeAllocatable: [pods, pods]": /duplicated enforcements "pods"/,
    "registerWithTaints: [{key: a, effect: No}]": /invalid taint: a=:No/,
    "podLogsDir: /var//log": /pod logs path "\/var\/\/log" must be normalized/,
    "memoryThrottlingFactor: 1.5": /memoryThrottlingFactor 1.5 must be greater than 0 and less than or equal to 1.0/,
    "authentication: {webhook: {enabled: false}}": /no authentication method configured/,
    "authorization: {mode: RBAC}": /authorization.mode: only "Webhook" or "AlwaysAllow" is supported/,
  };
  for (const [text, expected] of Object.entries(cases)) {
    await refused(expected, `--config=${await file("one.yaml", `${text}\n`)}`);
  }
  const pinning = ["--cpu-manager-policy=static", "--reserved-cpus=0"];
  await refused(
    /CPU Manager Policy Alpha-level Options not enabled, but option "align-by-socket" provided/,
    ...[...pinning, "--cpu-manager-policy-options=align-by-socket=true"],
  );
  await refused(/unknown CPU Manager Policy option: "x"/, ...pinning, "--cpu-manager-policy-options=x=true");
  await refused(/invalid argument "false" for "--cgroups-per-qos" flag: only true/, "--cgroups-per-qos=false");
  await refused(/invalid argument "true" for "--runonce" flag: only false is supported/, "--runonce=true");
});

test("flags reach the fields of the server and of the process", async () => {
  const flags = [
    "--authorization-mode=AlwaysAllow",
    "--authentication-token-webhook=false",
    "--event-qps=0",
    "--client-ca-file=ca",
  ];
  const more = ["--authorization-webhook-cache-authorized-ttl=0s", "--kubelet-cgroups=/k", "--fail-cgroupv1"];
  const { settings } = await parseConfig([...REQUIRED, ...flags, ...more, "--manifest-url-header=a:b,a:c:d,e:f"]);
  assert.equal(settings["authorization.mode"], "AlwaysAllow");
  assert.equal(settings["authentication.webhook.enabled"], false);
  assert.equal(settings["authorization.webhook.cacheAuthorizedTTL"], 0, "zero where a flag says so");
  assert.deepEqual([settings.eventRecordQPS, settings.kubeletCgroups, settings.failCgroupV1], [0, "/k", true]);
  assert.deepEqual(settings.staticPodURLHeader, { a: ["b", "c:d"], e: ["f"] });
});

test("parallel pulls need no second word", async () => {
  const path = await file("pulls.yaml", "maxParallelImagePulls: 3\n");
  assert.equal((await parseConfig([...REQUIRED, `--config=${path}`])).settings.serializeImagePulls, false);
});

test("who asks for the node's status at certain times gets it whole at those", async () => {
  const often = await file("often.yaml", "nodeStatusUpdateFrequency: 4s\n");
  assert.equal((await parseConfig([...REQUIRED, `--config=${often}`])).settings.nodeStatusReportFrequency, 4000);
  const both = await file("both.yaml", "nodeStatusUpdateFrequency: 4s\nnodeStatusReportFrequency: 1m\n");
  assert.equal((await parseConfig([...REQUIRED, `--config=${both}`])).settings.nodeStatusReportFrequency, 60_000);
});

test("formatDuration prints as Go does", () => {
  assert.deepEqual([0, 500, 1500, 90_000, 7_200_000].map(formatDuration), ["0s", "500ms", "1.5s", "1m30s", "2h0m0s"]);
});
